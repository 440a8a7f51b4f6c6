// Sizes that only a run knows, behind sizes that constant folding finds out after import: every way to make the first kind of size out of
// the second, and every way to read it, as ONNX files, against the reference executor on the graph as read.
#include <gtest/gtest.h>

#include <cmath>

#include "device/cpu.h"
#include "harness/onnx_text.h"
#include "harness/problem.h"
#include "tenon.h"

namespace tenon {
namespace {

// A part of a model: lines that define `u`, `t` or `y` from what stands before.
struct Part {
  const char* name;
  const char* lines;
};

// u: f32 of one axis, made of x: f32[1, 1, 3, 4] (or [1, 1, h, w]).
constexpr Part kUpstream[] = {
    {"known", R"(
u = Reshape(x, all)
)"},
    {"resized_by_float_sizes", R"(
x_shape = Shape(x)
x_floats = Cast(x_shape) {to = 1}
x_larger = Mul(x_floats, factors)
x_floor = Floor(x_larger)
x_sizes = Cast(x_floor) {to = 7}
x_resized = Resize(x, _, _, x_sizes) {mode = "nearest"}
u = Reshape(x_resized, all)
)"},
    {"reshaped_to_the_product_of_a_shape", R"(
x_shape = Shape(x)
x_count = ReduceProd(x_shape) {keepdims = 1}
u = Reshape(x, x_count)
)"},
    {"reshaped_to_floor_of_floats", R"(
x_shape = Shape(x)
x_floats = Cast(x_shape) {to = 1}
x_height = Gather(x_floats, two)
x_width = Gather(x_floats, three)
x_product = Mul(x_height, x_width)
x_floor = Floor(x_product)
x_count = Cast(x_floor) {to = 7}
x_column = Reshape(x, x_count)
u = Neg(x_column)
)"},
};

// t: f32 of one axis whose size depends on u. `k` is 5 or less, found from the size of u; `c` is the number of positive elements of u.
constexpr Part kMakers[] = {
    {"top_k", "t, indices = TopK(u, k)\n"},
    {"top_k_of_the_count", "t, indices = TopK(u, c)\n"},
    {"slice", "t = Slice(u, zero, k)\n"},
    {"slice_to_the_count", "t = Slice(u, zero, c)\n"},
    {"range", "k_scalar = Squeeze(k)\nt_whole = Range(zero_scalar, k_scalar, one_scalar)\nt = Cast(t_whole) {to = 1}\n"},
    {"range_to_the_count", "c_scalar = Squeeze(c)\nt_whole = Range(zero_scalar, c_scalar, one_scalar)\nt = Cast(t_whole) {to = 1}\n"},
    {"constant_of_shape", "t = ConstantOfShape(k) {value = f32[1] [2]}\n"},
    {"constant_of_the_count", "t = ConstantOfShape(c) {value = f32[1] [2]}\n"},
    {"expand", "t = Expand(half, c)\n"},
    {"tile", "t = Tile(u, c)\n"},
    {"resize", "u_row = Reshape(u, row)\nt_sizes = Concat(one, one, one, c) {axis = 0}\n"
               "t_row = Resize(u_row, _, _, t_sizes) {mode = \"nearest\"}\nt = Reshape(t_row, all)\n"},
    {"pad", "t_pads = Concat(zero, c) {axis = 0}\nt = Pad(u, t_pads)\n"},
    {"reshape", "t_sizes = Concat(one, k) {axis = 0}\nu_some = Slice(u, zero, k)\nt_row = Reshape(u_some, t_sizes)\nt = Reshape(t_row, all)\n"},
    {"split", "u_size = Shape(u)\nc_rest = Sub(u_size, c)\nparts = Concat(c, c_rest) {axis = 0}\nt, u_rest = Split(u, parts)\n"},
    {"one_hot", "k_scalar = Squeeze(k)\nhot = OneHot(ones_of_u, k_scalar, off_on) {axis = 0}\nt = ReduceSum(hot, one) {keepdims = 0}\n"},
    {"loop", "c_scalar = Squeeze(c)\n"
             "t_last, t = Loop(c_scalar, yes, half_scalar)\n"
             "  body(trip, go, sum):\n"
             "    more = Add(sum, half_scalar)\n"
             "    again = Identity(go)\n"
             "    same = Identity(more)\n"
             "    return again, more, same\n"},
    {"nonzero", "positive = Greater(u, nought)\nt_where = NonZero(positive)\nt_floats = Cast(t_where) {to = 1}\nt = Reshape(t_floats, all)\n"},
    {"compress", "positive = Greater(u, nought)\nt = Compress(u, positive)\n"},
    {"unique", "u_floor = Floor(u)\nt = Unique(u_floor)\n"},
    {"non_max_suppression",
     "scores = Reshape(u, row3)\nu_size = Shape(u)\nbox_shape = Concat(one, u_size, four) {axis = 0}\nboxes_flat = Expand(box, box_shape)\n"
     "u_column = Reshape(u, column3)\nboxes = Add(boxes_flat, u_column)\nchosen = NonMaxSuppression(boxes, scores, ten, half_scalar)\n"
     "chosen_floats = Cast(chosen) {to = 1}\nt = Reshape(chosen_floats, all)\n"},
    {"if", "c_scalar = Squeeze(c)\n"
           "few = Less(c_scalar, four_scalar)\n"
           "t = If(few)\n"
           "  then_branch:\n"
           "    first = Slice(u, zero, k)\n"
           "    return first\n"
           "  else_branch:\n"
           "    second = Concat(u, u) {axis = 0}\n"
           "    return second\n"},
    {"gather", "c_scalar = Squeeze(c)\nplaces = Range(zero_scalar, c_scalar, one_scalar)\nt = Gather(u, places)\n"},
};

// y, from t.
constexpr Part kReaders[] = {
    {"itself", "y = Neg(t)\n"},
    {"shape", "y = Shape(t)\n"},
    {"constant_of_its_shape", "t_shape = Shape(t)\ny_ones = ConstantOfShape(t_shape) {value = f32[1] [1]}\ny = Add(y_ones, t)\n"},
    {"reshape", "t_shape = Shape(t)\ny_shape = Concat(t_shape, one) {axis = 0}\ny = Reshape(t, y_shape)\n"},
    {"expand", "t_shape = Shape(t)\nt_double = Concat(two, t_shape) {axis = 0}\ny = Expand(t, t_double)\n"},
    {"slice", "t_shape = Shape(t)\ny_end = Sub(t_shape, one)\ny = Slice(t, zero, y_end)\n"},
    {"range", "t_shape = Shape(t)\nt_size = Squeeze(t_shape)\ny_places = Range(zero_scalar, t_size, one_scalar)\ny = Gather(t, y_places)\n"},
    {"concat", "y = Concat(t, u, t) {axis = 0}\n"},
    {"count", "t_shape = Shape(t)\ny = Cast(t_shape) {to = 1}\n"},
    {"if", "t_sum = ReduceSum(t, zero) {keepdims = 0}\n"
           "t_large = Greater(t_sum, nought)\n"
           "y = If(t_large)\n"
           "  then_branch:\n"
           "    inner_shape = Shape(t)\n"
           "    inner_ones = ConstantOfShape(inner_shape) {value = f32[1] [1]}\n"
           "    inner = Add(inner_ones, t)\n"
           "    return inner\n"
           "  else_branch:\n"
           "    inner_none = Neg(t)\n"
           "    return inner_none\n"},
    {"loop", "y, y_all = Loop(three_scalar, yes, t)\n"
             "  body(trip, go, state):\n"
             "    state_shape = Shape(t)\n"
             "    state_ones = ConstantOfShape(state_shape) {value = f32[1] [1]}\n"
             "    state_next = Add(state_ones, state)\n"
             "    again = Identity(go)\n"
             "    state_sum = ReduceSum(state_next, zero) {keepdims = 1}\n"
             "    return again, state_next, state_sum\n"},
};

std::string model(const Part& upstream, const Part& maker, const Part& reader, bool symbolic) {
  return std::string("opset 18\nin x: f32[1, 1, ") + (symbolic ? "h, w" : "3, 4") + R"(]
all: s64[1] = [-1]
row: s64[4] = [1, 1, 1, -1]
row3: s64[3] = [1, 1, -1]
column3: s64[3] = [1, -1, 1]
zero: s64[1] = [0]
one: s64[1] = [1]
two: s64[1] = [2]
three: s64[1] = [3]
four: s64[1] = [4]
five: s64[1] = [5]
ten: s64[1] = [10]
zero_scalar: s64[] = [0]
one_scalar: s64[] = [1]
three_scalar: s64[] = [3]
four_scalar: s64[] = [4]
yes: bool[] = [1]
half: f32[1] = [0.5]
half_scalar: f32[] = [0.5]
nought: f32[] = [0]
off_on: f32[2] = [0, 1]
factors: f32[4] = [1, 1, 1, 2.5]
box: f32[1, 1, 4] = [0, 0, 1, 1]
)" + upstream.lines + R"(
u_sizes = Shape(u)
k = Min(u_sizes, five)
u_positive = Greater(u, nought)
u_counted = Cast(u_positive) {to = 7}
c = ReduceSum(u_counted, zero) {keepdims = 1}
ones_of_u = Mul(u_counted, one)
)" + maker.lines + reader.lines + "out y\n";
}

// The outputs for x of these sizes; what the error says where there is one.
struct Answer {
  std::vector<OwnedTensor> outputs;
  std::string error;
};

Answer run(const std::string& bytes, const Options& options, const Tensor& x) {
  Answer a;
  try {
    const Model m = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), options);
    Session session(m);
    for (const Tensor& t : session.run({{"x", x}})) a.outputs.emplace_back(t);
  } catch (const Error& e) { a.error = e.what(); }
  return a;
}

void expect_agreement(const std::string& bytes, int64_t height, int64_t width, Random& random) {
  OwnedTensor x(DType::f32, {1, 1, height, width});
  for (int64_t i = 0; i < x.count(); ++i) x.as<float>()[i] = static_cast<float>(random.real(-2, 2));
  Options by_reference;
  by_reference.reference = true;
  const Answer expected = run(bytes, by_reference, x);
  ASSERT_EQ(expected.error, "");
  for (Isa isa : isa_levels()) {
    if (!supports(isa) || isa > best_isa() || isa == Isa::reference) continue;
    Options planned;
    planned.isa = name(isa);
    planned.threads = 1;
    const Answer got = run(bytes, planned, x);
    ASSERT_EQ(got.error, "");
    ASSERT_EQ(got.outputs.size(), expected.outputs.size());
    for (size_t i = 0; i < got.outputs.size(); ++i) {
      const Tensor &a = got.outputs[i], &b = expected.outputs[i];
      ASSERT_EQ(text(a), text(b)) << name(isa);
      for (int64_t k = 0; k < a.count(); ++k) {
        const Cell p = load_cell(a.dtype, a.data, k), q = load_cell(b.dtype, b.data, k);
        if (is_real(a.dtype)) ASSERT_NEAR(p.real, q.real, 1e-5) << "element " << k;
        else ASSERT_EQ(p.integer, q.integer) << "element " << k;
      }
    }
  }
}

class LateSizesBehind : public testing::TestWithParam<size_t> {};

// Every maker and every reader behind one upstream; x has known sizes, and sizes that only the input has.
TEST_P(LateSizesBehind, agree) {
  const Part& upstream = kUpstream[GetParam()];
  Random random(1);
  for (const Part& maker : kMakers)
    for (const Part& reader : kReaders)
      for (bool symbolic : {false, true}) {
        const std::string text = model(upstream, maker, reader, symbolic);
        SCOPED_TRACE(std::string(upstream.name) + " / " + maker.name + " / " + reader.name + (symbolic ? ", symbolic" : ""));
        const std::string bytes = onnx::model_from_text(text);
        expect_agreement(bytes, 3, 4, random);
        if (symbolic) expect_agreement(bytes, 2, 7, random);
        if (HasFatalFailure()) return;
      }
}

// Memory is laid out for the largest size, which is not what the largest run-time sizes give: of n - c it is that where c is 0.
TEST(LateSizes, that_shrink_as_others_grow_have_room) {
  const std::string bytes = onnx::model_from_text(R"(
opset 18
in x: f32[n]
nought: f32[] = [0]
seven: s64[1] = [7]
p = Greater(x, nought)
t = Compress(x, p)
x_size = Shape(x)
t_size = Shape(t)
rest = Sub(x_size, t_size)
o = ConstantOfShape(rest) {value = f32[1] [2]}
e = Exp(o)
f = Neg(e)
y = Concat(t, f) {axis = 0}
quotient = Div(x_size, t_size)
q = ConstantOfShape(quotient)
z = Exp(q)
remainder = Mod(x_size, seven)
m = ConstantOfShape(remainder)
v = Exp(m)
out y, z, v
)");
  const Model m = Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()));
  Session session(m);
  for (const auto& [n, positive] : {std::pair{1000, 5}, {100000, 1}, {100000, 99999}, {4, 4}, {200000, 3}}) {
    OwnedTensor x(DType::f32, {n});
    for (int64_t i = 0; i < n; ++i) x.as<float>()[i] = i < positive ? 1.f : -1.f;
    const std::vector<Tensor> out = session.run({{"x", x.view()}});
    EXPECT_EQ(out[0].shape, std::vector<int64_t>{n});
    EXPECT_EQ(out[0].as<float>()[n - 1], n == positive ? 1.f : -std::exp(2.f));
    EXPECT_EQ(out[1].shape, std::vector<int64_t>{n / positive});
    EXPECT_EQ(out[1].as<float>()[n / positive - 1], 1.f);
    EXPECT_EQ(out[2].shape, std::vector<int64_t>{n % 7});
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, LateSizesBehind, testing::Range<size_t>(0, std::size(kUpstream)),
                         [](const auto& p) { return std::string(kUpstream[p.param].name); });

}  // namespace
}  // namespace tenon
