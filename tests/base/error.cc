#include "base/error.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tenon {
namespace {

TEST(Error, prints_the_outermost_place_first) {
  Error e(Code::bad_model, "channels of input 0 and of the weight: 3 is not 4");
  e.within("node \"conv_3\" (Conv, opset 13)").within("cannot load broken.onnx");
  EXPECT_STREQ(e.what(),
               "cannot load broken.onnx\n"
               "  node \"conv_3\" (Conv, opset 13)\n"
               "    channels of input 0 and of the weight: 3 is not 4");
  EXPECT_EQ(e.chain().front(), "cannot load broken.onnx");
  EXPECT_EQ(exit_status(e.code()), 3);
}

TEST(Error, shows_the_ends_of_a_long_chain) {
  Error e(Code::bad_model, "wrong");
  for (int i = 0; i < 99; ++i) e.within("place " + std::to_string(i));
  EXPECT_EQ(e.chain().size(), 100u);
  const std::string text = e.what();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 16);
  EXPECT_EQ(text.substr(0, 8), "place 98");
  EXPECT_NE(text.find("... (84 more places)"), std::string::npos);
  EXPECT_NE(text.find("wrong"), std::string::npos);
}

TEST(Error, gains_the_place_it_leaves) {
  try {
    within([] { return "outside"; }, [] { within([] { return "inside"; }, [] { throw Error(Code::limit, "too many nodes"); }); });
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.chain(), (std::vector<std::string>{"outside", "inside", "too many nodes"}));
    EXPECT_EQ(e.code(), Code::limit);
  }
}

TEST(Error, text_from_a_model_is_made_printable) {
  EXPECT_EQ(printable("conv_3").find("conv_3"), 0u);
  for (char c : printable(std::string("a\x1b[2J\n\0b", 8))) EXPECT_TRUE(c >= ' ' && c <= '~');
  EXPECT_LE(printable(std::string(100000, 'x')).size(), 300u);
}

}  // namespace
}  // namespace tenon
