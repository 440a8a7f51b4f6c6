// Attention of com.microsoft with caches: whatever way the rows come in, each gives the same answer.
#include <gtest/gtest.h>

#include <cmath>

#include "harness/onnx_text.h"
#include "harness/problem.h"
#include "tenon.h"

namespace tenon::onnx {
namespace {

constexpr int64_t kSize = 8, kHeads = 4, kKeyHeads = 2, kRows = 6;

OwnedTensor drawn(const std::vector<int64_t>& shape, Random& random) {
  OwnedTensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.as<float>()[i] = static_cast<float>(random.real(-1, 1));
  return t;
}

// Rows [from, to) of axis 1.
OwnedTensor rows(const OwnedTensor& t, int64_t from, int64_t to) {
  const int64_t width = t.shape()[2];
  OwnedTensor out(DType::f32, {1, to - from, width});
  std::copy_n(t.as<float>() + from * width, (to - from) * width, out.as<float>());
  return out;
}

OwnedTensor number(DType dtype, std::vector<int64_t> shape, int64_t value) {
  OwnedTensor t(dtype, std::move(shape));
  store_cell(dtype, t.data(), 0, Cell{.integer = value});
  return t;
}

std::string grouped_query(const std::string& attributes) {
  std::string text = R"(
opset 21, com.microsoft 1
in q: f32[1, s, 32], k: f32[1, s, 16], v: f32[1, s, 16], pk: f32[1, 2, p, 8], pv: f32[1, 2, p, 8], last: s32[1], total: s32[], cos: f32[16, 4], sin: f32[16, 4]
y, nk, nv = com.microsoft.GroupQueryAttention(q, k, v, pk, pv, last, total, cos, sin) {num_heads = 4, kv_num_heads = 2, do_rotary = 1)";
  return model_from_text(text + attributes + "}\nout y, nk, nv\n");
}

class GroupedQuery : public testing::TestWithParam<const char*> {};

TEST_P(GroupedQuery, a_prompt_and_steps_give_what_the_whole_gives) {
  const std::string bytes = grouped_query(GetParam());
  Random random(5);
  const OwnedTensor q = drawn({1, kRows, kHeads * kSize}, random), k = drawn({1, kRows, kKeyHeads * kSize}, random),
                    v = drawn({1, kRows, kKeyHeads * kSize}, random);
  OwnedTensor cos(DType::f32, {16, 4}), sin(DType::f32, {16, 4});
  for (int64_t i = 0; i < 64; ++i) {
    const double angle = static_cast<double>(i / 4) * std::pow(10., -static_cast<double>(i % 4));
    cos.as<float>()[i] = static_cast<float>(std::cos(angle)), sin.as<float>()[i] = static_cast<float>(std::sin(angle));
  }
  for (bool reference : {true, false}) {
    Options options;
    options.threads = 1;
    options.reference = reference;
    const Model m = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), options);
    Session session(m);
    const auto run = [&](int64_t from, int64_t to, const Tensor& past_keys, const Tensor& past_values) {
      const OwnedTensor a = rows(q, from, to), b = rows(k, from, to), c = rows(v, from, to);
      const OwnedTensor last = number(DType::s32, {1}, to - 1), total = number(DType::s32, {}, to);
      std::vector<OwnedTensor> out;
      for (const Tensor& t : session.run(
               {{"q", a}, {"k", b}, {"v", c}, {"pk", past_keys}, {"pv", past_values}, {"last", last}, {"total", total}, {"cos", cos}, {"sin", sin}}))
        out.emplace_back(t);
      return out;
    };
    const OwnedTensor nothing(DType::f32, {1, kKeyHeads, 0, kSize});
    const std::vector<OwnedTensor> whole = run(0, kRows, nothing, nothing);
    // Caches as long as what they hold, and with room for more.
    for (int64_t capacity : {int64_t{0}, int64_t{9}}) {
      const OwnedTensor room(DType::f32, {1, kKeyHeads, capacity, kSize});
      std::vector<OwnedTensor> now = run(0, 3, room, room);
      for (int64_t row = 3; row < kRows; ++row) {
        ASSERT_EQ(now[1].shape()[2], std::max<int64_t>(capacity, row));
        now = run(row, row + 1, now[1], now[2]);
        for (int64_t c = 0; c < kHeads * kSize; ++c)
          ASSERT_NEAR(now[0].as<float>()[c], whole[0].as<float>()[row * kHeads * kSize + c], 1e-5)
              << "row " << row << ", capacity " << capacity << (reference ? ", reference" : "");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, GroupedQuery,
                         testing::Values("", ", local_window_size = 2", ", softcap = 3.0", ", smooth_softmax = 1", ", rotary_interleaved = 1"));

TEST(CodedWeights, stay_in_their_codes) {
  const std::string bytes = model_from_text(R"(
opset 21, com.microsoft 1
in x: f32[1, 4096]
codes: u8[1024, 128, 16] = [137]
scale: f32[1024, 128] = [0.01]
y = com.microsoft.MatMulNBits(x, codes, scale) {K = 4096, N = 1024, block_size = 32, bits = 4}
out y
)");
  const Model m = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
  EXPECT_LE(m.inspect().weight_bytes, 1024 * 128 * (16 + 4) + 4096);
  OwnedTensor x(DType::f32, {1, 4096});
  for (int64_t i = 0; i < 4096; ++i) x.as<float>()[i] = 1;
  Session session(m);
  // The codes of 137 are 9 and 8, less 8: one of two columns counts.
  EXPECT_NEAR(session.run({{"x", x.view()}})[0].as<float>()[7], 20.48, 1e-3);
}

}  // namespace
}  // namespace tenon::onnx
