#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "formats/media/image.h"
#include "formats/media/wav.h"

namespace tenon::media {
namespace {

Image ramp(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, std::vector<uint8_t>(static_cast<size_t>(height * width * channels))};
  for (size_t i = 0; i < image.levels.size(); ++i) image.levels[i] = static_cast<uint8_t>(i * 37 % 251);
  return image;
}

Code code_of(auto&& body) {
  try {
    body();
  } catch (const Error& e) { return e.code(); }
  ADD_FAILURE() << "nothing was thrown";
  return Code::bad_usage;
}

TEST(Image, reads_levels) {
  const std::string file("P6 2 1 255 \x01\x02\x03\xff\xfe\xfd", 17);
  const Image image = decode_image(file.data(), static_cast<int64_t>(file.size()));
  EXPECT_EQ(image.height, 1);
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.levels, (std::vector<uint8_t>{1, 2, 3, 255, 254, 253}));
  EXPECT_EQ(decode_image(file.data(), static_cast<int64_t>(file.size()), 1).levels.size(), 2u);
}

TEST(Image, refuses_what_is_no_picture) {
  EXPECT_EQ(code_of([] { decode_image("hello", 5); }), Code::bad_input);
  EXPECT_EQ(code_of([] { decode_image(nullptr, 0); }), Code::bad_input);
  EXPECT_EQ(code_of([] { decode_image("P6 40000 40000 255 x", 20, 3, {.elements = 1 << 20}); }), Code::limit);
  EXPECT_EQ(code_of([] { decode_image("RIFF....WEBPVP8 ", 16); }), Code::not_supported);
  EXPECT_EQ(code_of([] { load_image("/nonexistent.png"); }), Code::io);
}

TEST(Image, resize_keeps_what_is_plain) {
  Image flat = ramp(5, 7, 3);
  std::fill(flat.levels.begin(), flat.levels.end(), uint8_t{93});
  for (const auto& [h, w] : {std::pair{1, 1}, {5, 7}, {3, 20}, {64, 2}}) {
    const Image out = resize(flat, h, w);
    EXPECT_EQ(out.levels, std::vector<uint8_t>(static_cast<size_t>(h * w * 3), 93)) << h << " x " << w;
  }
  const Image image = ramp(6, 9, 3);
  EXPECT_EQ(resize(image, 6, 9).levels, image.levels);
}

TEST(Image, resize_is_the_triangle_filter) {
  const Image row{1, 4, 1, {0, 100, 200, 40}};
  // The triangle reaches two inputs to each side of a centre: weights 3, 3, 1 at the left end, 1, 3, 3 at the right.
  EXPECT_EQ(resize(row, 1, 2).levels, (std::vector<uint8_t>{71, 117}));  // (3*0 + 3*100 + 200) / 7, (100 + 3*200 + 3*40) / 7
}

TEST(Image, turns_and_cuts) {
  const Image image{2, 3, 1, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(rotate_left(image).levels, (std::vector<uint8_t>{3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(rotate_half(image).levels, (std::vector<uint8_t>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(crop(image, 0, 1, 2, 2).levels, (std::vector<uint8_t>{2, 3, 5, 6}));
  EXPECT_EQ(code_of([&] { crop(image, 1, 0, 2, 1); }), Code::bad_usage);
}

TEST(Image, normalises_by_channel) {
  const Image image{1, 2, 3, {0, 255, 51, 102, 0, 255}};
  const OwnedTensor planes = pixels(image, {.mean = {0.0f, 0.5f, 1.0f}, .std = {1.0f, 0.5f, 0.2f}});
  EXPECT_EQ(planes.shape(), (std::vector<int64_t>{1, 3, 1, 2}));
  const std::vector<float> expected{0.0f, 0.4f, 1.0f, -1.0f, -4.0f, 0.0f};
  for (int i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(planes.as<float>()[i], expected[i]) << i;
  const OwnedTensor rows = pixels(image, {.unit = 1, .order = Order::nhwc});
  EXPECT_EQ(rows.shape(), (std::vector<int64_t>{1, 1, 2, 3}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(rows.as<float>()[i], image.levels[i]);
  EXPECT_EQ(code_of([&] { pixels(image, {.mean = {1, 2}}); }), Code::bad_usage);
}

std::string number(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string wav(int kind, int channels, int bits, const std::string& data) {
  const int frame = channels * bits / 8;
  const std::string format = number(kind, 2) + number(channels, 2) + number(16000, 4) + number(16000 * frame, 4) + number(frame, 2) + number(bits, 2);
  const std::string extra = "LIST" + number(3, 4) + "abc" + '\0';  // of odd length, so a byte fills it up
  const std::string body = "WAVEfmt " + number(16, 4) + format + extra + "data" + number(data.size(), 4) + data;
  return "RIFF" + number(body.size(), 4) + body;
}

Sound decoded(const std::string& file) { return decode_wav(file.data(), static_cast<int64_t>(file.size())); }

TEST(Wav, reads_every_width) {
  EXPECT_EQ(decoded(wav(1, 1, 8, std::string("\x00\x80\xc0", 3))).samples, (std::vector<float>{-1.0f, 0.0f, 0.5f}));
  EXPECT_EQ(decoded(wav(1, 1, 16, std::string("\x00\x80\xff\xff\x00\x40", 6))).samples, (std::vector<float>{-1.0f, -1.0f / 32768, 0.5f}));
  EXPECT_EQ(decoded(wav(1, 1, 24, std::string("\x00\x00\x80\x00\x00\x20", 6))).samples, (std::vector<float>{-1.0f, 0.25f}));
  EXPECT_EQ(decoded(wav(1, 1, 32, std::string("\x00\x00\x00\xc0", 4))).samples, (std::vector<float>{-0.5f}));
  EXPECT_EQ(decoded(wav(3, 1, 32, number(std::bit_cast<uint32_t>(0.7f), 4))).samples, (std::vector<float>{0.7f}));
  EXPECT_EQ(decoded(wav(3, 1, 64, number(std::bit_cast<uint64_t>(0.7), 8))).samples, (std::vector<float>{0.7f}));
}

TEST(Wav, channels_become_their_mean) {
  const Sound sound = decoded(wav(1, 2, 16, std::string("\x00\x40\x00\x20\x00\xc0\x00\x40", 8)));
  EXPECT_EQ(sound.rate, 16000);
  EXPECT_EQ(sound.length(), 2);
  EXPECT_EQ(mono(sound), (std::vector<float>{0.375f, 0.0f}));
}

TEST(Wav, refuses_or_reads_every_prefix) {
  const std::string whole = wav(1, 1, 16, std::string(40, 'x'));
  for (size_t n = 0; n < whole.size(); ++n) {
    try {
      EXPECT_LE(decoded(whole.substr(0, n)).length(), 20) << n;
    } catch (const Error& e) { EXPECT_TRUE(e.code() == Code::bad_input || e.code() == Code::not_supported) << n << ": " << e.what(); }
  }
  EXPECT_EQ(code_of([] { decoded(wav(85, 1, 16, "xx")); }), Code::not_supported);
  EXPECT_EQ(code_of([&] { decode_wav(whole.data(), static_cast<int64_t>(whole.size()), {.elements = 10}); }), Code::limit);
}

}  // namespace
}  // namespace tenon::media
