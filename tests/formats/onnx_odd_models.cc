// Models that once ended the program, as small as they come.
#include <gtest/gtest.h>

#include "harness/onnx_mutation.h"
#include "harness/onnx_text.h"
#include "tenon.h"

namespace tenon {
namespace {

// What loading and running says; empty where both go well.
std::string refusal(const std::string& bytes) {
  try {
    const Model m = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
    std::map<std::string, Tensor> inputs;
    std::vector<OwnedTensor> zeros;
    for (const Port& p : m.inputs()) {
      std::vector<int64_t> shape;
      for (const Axis& a : p.shape) shape.push_back(a.size < 0 ? 1 : a.size);
      zeros.emplace_back(p.dtype, shape);
      inputs[p.name] = zeros.back().view();
    }
    Session(m).run(inputs);
    return "";
  } catch (const Error& e) { return e.what(); }
}

struct Odd {
  const char* name;
  const char* text;
  const char* says;  // part of the refusal; null: it runs
};

constexpr Odd kOdd[] = {
    {"empty_ratio", "opset 12\nin x: f32[3, 4, 5]\nr: f32[0] = []\nt: bool[] = [1]\ny = Dropout(x, r, t)\nout y\n", "0 is not 1"},
    {"scalar_mask", "opset 23\nin q: f32[1, 2, 3, 4], k: f32[1, 2, 3, 4]\nm: f32[] = [0]\ny = Attention(q, k, k, m)\nout y\n",
     "attn_mask is a scalar"},
    {"pad_by_real_axes", "opset 18\nin x: f32[3, 4]\np: s64[2] = [1, 1]\na: f32[1] = [1]\ny = Pad(x, p, _, a)\nout y\n", "input 3 is f32"},
    {"columns_by_real_blocks", "opset 18\nin x: f32[1, 4, 4]\ns: s64[2] = [3, 3]\nb: f32[2] = [2, 2]\ny = Col2Im(x, s, b)\nout y\n",
     "input 2 is f32"},
    {"strings_to_pad", "opset 6\nin x: string[2]\ny = Pad(x) {pads = [1, 1], value = 3.5}\nout y\n", "strings"},
    {"strings_to_relu", "opset 14\nin x: string[2]\ny = Relu(x)\nout y\n", "strings"},
    {"empty_words", "opset 20\nw: string[0] = []\nin x: f32[1]\ny = RegexFullMatch(w) {pattern = \"a\"}\nout y\n", nullptr},
    {"no_words_split", "opset 20\nw: string[0] = []\nin x: f32[1]\ny, n = StringSplit(w)\nout y, n\n", nullptr},
    {"loop_of_no_trips",
     "opset 16\nin x: f32[2]\nn: s64[] = [0]\ngo: bool[] = [1]\ny, s = Loop(n, go, x)\n  body(i, c, v):\n    w = Neg(v)\n"
     "    d = Identity(c)\n    return d, w, w\nout y, s\n",
     nullptr},
};

TEST(OddModels, are_refused_or_run) {
  for (const Odd& odd : kOdd) {
    const std::string bytes = onnx::model_from_text(odd.text);
    const std::string said = refusal(bytes);
    if (odd.says) EXPECT_NE(said.find(odd.says), std::string::npos) << odd.name << ": " << said;
    else EXPECT_EQ(said, "") << odd.name;
    onnx::use_model(bytes);
  }
}

TEST(OddModels, lists_that_do_not_fit_are_refused) {
  const std::string bytes = onnx::model_from_text("opset 13\nin s: sequence(f32[2])\ni: s64[] = [0]\ny = SequenceAt(s, i)\nout y\n");
  const Model m = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
  std::vector<OwnedTensor> items;
  items.emplace_back(DType::f32, std::vector<int64_t>{3, 2});
  const OwnedTensor other_rank(DType::f32, Container::sequence, std::move(items));
  const OwnedTensor no_list(DType::f32, {2});
  Session session(m);
  EXPECT_THROW(session.run({{"s", other_rank.view()}}), Error);
  EXPECT_THROW(session.run({{"s", no_list.view()}}), Error);
}

}  // namespace
}  // namespace tenon
