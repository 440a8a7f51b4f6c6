// Scalar functions: arithmetic, comparisons, logic, bits, activations.
#include <cmath>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/reshape.h"
#include "ops/squeeze.h"

namespace tenon::onnx {
namespace {

// A function of the inputs alone. Opset 1 lets elementwise operators name inputs that may be overwritten.
Values same(const Import& n, const char* op) {
  if (n.opset < 6) n.ignore("consumed_inputs");
  return n.emit(op, None{}, n.in);
}

struct Parameter {
  const char* name;
  float absent;
};

// A function whose parameters follow the inputs.
Values with(const Import& n, const char* op, std::initializer_list<Parameter> parameters) {
  if (n.opset < 6) n.ignore("consumed_inputs");
  std::vector<ValueId> operands = n.in;
  for (const Parameter& p : parameters) operands.push_back(n.scalar(n.real(p.name, p.absent), n.element(0)));
  return n.emit(op, None{}, operands);
}

// Two operands. Before opset 7 the second one broadcasts only when told to, and `axis` says which axis of the first its axes begin at.
Values binary(const Import& n, const char* op) {
  std::vector<ValueId> operands = n.in;
  if (n.opset < 7) {
    n.ignore("consumed_inputs");
    const bool broadcast = n.integer("broadcast", 0) != 0;
    const bool placed = n.find("axis");
    int64_t axis = n.integer("axis", 0);
    if (broadcast && placed) {
      const int rank = n.rank(0), own = n.rank(1);
      if (axis < 0) axis += rank;
      expect(axis >= 0 && axis + own <= rank, "the axes of input 1 lie within those of input 0");
      std::vector<int64_t> added;
      for (int64_t i = own; i < rank - axis; ++i) added.push_back(i);
      if (!added.empty()) operands[1] = n.emit("unsqueeze", Unsqueeze{added}, {operands[1]});
    }
  }
  return n.emit(op, None{}, operands);
}

// Any number of operands, two by two.
ValueId chain(const Import& n, const char* op) {
  if (n.opset < 6) n.ignore("consumed_inputs");
  ValueId v = input(n, 0);
  for (size_t i = 1; i < n.in.size(); ++i) v = n.emit(op, None{}, {v, input(n, static_cast<int>(i))});
  return v;
}

Values mean(const Import& n) {
  const ValueId sum = chain(n, "add");
  return n.in.size() == 1 ? sum : n.emit("div", None{}, {sum, n.scalar(static_cast<double>(n.in.size()), n.element(0))});
}

// A bound of clip, which has one element, as a scalar.
ValueId bound(const Import& n, int i) {
  if (n.rank(i) == 0) return input(n, i);
  return n.emit("reshape", Reshape{}, {input(n, i), n.constant({})});
}

Values clip(const Import& n) {
  const DType element = n.element(0);
  ValueId low = kNone, high = kNone;
  if (n.opset < 11) {
    n.ignore("consumed_inputs");
    if (n.find("min")) low = n.scalar(n.real("min", 0), element);
    if (n.find("max")) high = n.scalar(n.real("max", 0), element);
  } else {
    if (n.has(1)) low = bound(n, 1);
    if (n.has(2)) high = bound(n, 2);
  }
  if (low != kNone && high != kNone) return n.emit("clip", None{}, {input(n, 0), low, high});
  if (low != kNone) return n.emit("max", None{}, {input(n, 0), low});
  return high != kNone ? n.emit("min", None{}, {input(n, 0), high}) : input(n, 0);
}

// The result has the type of the base, whatever that of the exponent. Arithmetic is floating point when one of the two is.
Values power(const Import& n) {
  const DType base = n.element(0), exponent = n.element(1);
  if (n.opset < 7) return binary(n, "pow");
  if (base == exponent) return n.emit("pow", None{}, n.in);
  DType arithmetic = base;
  if (!is_real(base)) arithmetic = is_real(exponent) ? DType::f64 : DType::s64;
  return cast(n, n.emit("pow", None{}, {cast(n, input(n, 0), arithmetic), cast(n, input(n, 1), arithmetic)}), base);
}

Values modulo(const Import& n) {
  const bool truncates = n.integer("fmod", 0) != 0;
  return n.emit(truncates ? "fmod" : "mod", None{}, n.in);
}

Values shift(const Import& n) {
  const std::string direction = n.text("direction", "");
  expect(direction == "LEFT" || direction == "RIGHT", "the direction of a shift is LEFT or RIGHT");
  if (direction == "LEFT") return n.emit("shift_left", None{}, n.in);
  if (!is_signed(n.element(0))) return n.emit("shift_right", None{}, n.in);
  // A negative number keeps its sign: its complement, which has none, is shifted.
  const Formula f{n, n.element(0)};
  const ValueId v = input(n, 0), is_negative = f("less", {v, f.number(0)});
  const ValueId shifted = f("shift_right", {f("where", {is_negative, f("bit_not", {v}), v}), input(n, 1)});
  return f("where", {is_negative, f("bit_not", {shifted}), shifted});
}

Values is_infinite(const Import& n) {
  const double negative = n.integer("detect_negative", 1) != 0, positive = n.integer("detect_positive", 1) != 0;
  return n.emit("is_inf", None{}, {input(n, 0), n.scalar(negative, n.element(0)), n.scalar(positive, n.element(0))});
}

Values gelu(const Import& n) {
  const std::string approximate = n.text("approximate", "none");
  expect(approximate == "none" || approximate == "tanh", "the approximation of gelu is none or tanh");
  return n.emit(approximate == "tanh" ? "gelu_tanh" : "gelu", None{}, n.in);
}

// The slope of input 1 applies below zero. Before opset 7 a list of slopes runs along axis 1.
Values prelu(const Import& n) {
  if (n.opset < 6) n.ignore("consumed_inputs");
  ValueId slope = input(n, 1);
  if (n.opset < 7 && n.rank(1) == 1 && n.rank(0) > 2 && n.type(1).shape[0] != Dim(1)) {
    std::vector<int64_t> added;
    for (int i = 1; i < n.rank(0) - 1; ++i) added.push_back(i);
    slope = n.emit("unsqueeze", Unsqueeze{added}, {slope});
  }
  expect(n.rank(1) <= n.rank(0), "the slope broadcasts to input 0");
  const DType element = n.element(0);
  if (is_real(element)) return n.emit("leaky_relu", None{}, {input(n, 0), slope});
  const ValueId negative = n.emit("less", None{}, {input(n, 0), n.scalar(0, element)});
  return n.emit("where", None{}, {negative, n.emit("mul", None{}, {input(n, 0), slope}), input(n, 0)});
}

Values swiglu(const Import& n) {
  const ValueId gate = n.emit("swish", None{}, {input(n, 0), n.scalar(n.real("alpha", 1), n.element(0))});
  expect(n.rank(0) == n.rank(1), "the gate and the value have one shape");
  return n.emit("mul", None{}, {gate, input(n, 1)});
}

Values add_then(const Import& n, const char* op) {
  return n.emit(op, None{}, {n.has(1) ? n.emit("add", None{}, {input(n, 0), input(n, 1)}) : input(n, 0)});
}

#define SAME(onnx, since, op)                                          \
  {                                                                    \
    onnx, [](const Import& n) -> Values { return same(n, op); }, since \
  }
#define BINARY(onnx, since, op)                                          \
  {                                                                      \
    onnx, [](const Import& n) -> Values { return binary(n, op); }, since \
  }
#define CHAIN(onnx, op)                                          \
  {                                                              \
    onnx, [](const Import& n) -> Values { return chain(n, op); } \
  }
#define WITH(onnx, since, op, ...)                                                    \
  {                                                                                   \
    onnx, [](const Import& n) -> Values { return with(n, op, {__VA_ARGS__}); }, since \
  }

constexpr ImportRow kRows[] = {
    BINARY("Add", 1, "add"),
    BINARY("Sub", 1, "sub"),
    BINARY("Mul", 1, "mul"),
    BINARY("Div", 1, "div"),
    {"Mod", modulo, 10},
    {"Pow", power},
    CHAIN("Max", "max"),
    CHAIN("Min", "min"),
    CHAIN("Sum", "add"),
    {"Mean", mean},
    SAME("Neg", 1, "neg"),
    SAME("Abs", 1, "abs"),
    SAME("Sign", 9, "sign"),
    SAME("Reciprocal", 1, "reciprocal"),
    SAME("Sqrt", 1, "sqrt"),
    SAME("Exp", 1, "exp"),
    SAME("Log", 1, "log"),
    SAME("Floor", 1, "floor"),
    SAME("Ceil", 1, "ceil"),
    SAME("Round", 11, "round"),
    SAME("Erf", 9, "erf"),
    SAME("Sin", 7, "sin"),
    SAME("Cos", 7, "cos"),
    SAME("Tan", 7, "tan"),
    SAME("Asin", 7, "asin"),
    SAME("Acos", 7, "acos"),
    SAME("Atan", 7, "atan"),
    SAME("Sinh", 9, "sinh"),
    SAME("Cosh", 9, "cosh"),
    SAME("Tanh", 1, "tanh"),
    SAME("Asinh", 9, "asinh"),
    SAME("Acosh", 9, "acosh"),
    SAME("Atanh", 9, "atanh"),

    BINARY("Equal", 1, "equal"),
    BINARY("Less", 1, "less"),
    BINARY("Greater", 1, "greater"),
    SAME("LessOrEqual", 12, "less_equal"),
    SAME("GreaterOrEqual", 12, "greater_equal"),
    SAME("IsNaN", 9, "is_nan"),
    {"IsInf", is_infinite, 10},
    BINARY("And", 1, "logical_and"),
    BINARY("Or", 1, "logical_or"),
    BINARY("Xor", 1, "logical_xor"),
    SAME("Not", 1, "logical_not"),
    SAME("Where", 9, "where"),
    SAME("BitwiseAnd", 18, "bit_and"),
    SAME("BitwiseOr", 18, "bit_or"),
    SAME("BitwiseXor", 18, "bit_xor"),
    SAME("BitwiseNot", 18, "bit_not"),
    {"BitShift", shift, 11},

    {"Clip", clip},
    SAME("Relu", 1, "relu"),
    SAME("Sigmoid", 1, "sigmoid"),
    SAME("Softplus", 1, "softplus"),
    SAME("Softsign", 1, "softsign"),
    SAME("HardSwish", 14, "hard_swish"),
    SAME("Mish", 18, "mish"),
    WITH("Elu", 1, "elu", {"alpha", 1}),
    WITH("Celu", 12, "celu", {"alpha", 1}),
    WITH("Selu", 1, "selu", {"alpha", 1.6732f}, {"gamma", 1.0507f}),
    WITH("Selu", 6, "selu", {"alpha", 1.67326319217681884765625f}, {"gamma", 1.05070102214813232421875f}),
    WITH("LeakyRelu", 1, "leaky_relu", {"alpha", 0.01f}),
    WITH("ThresholdedRelu", 10, "thresholded_relu", {"alpha", 1}),
    WITH("HardSigmoid", 1, "hard_sigmoid", {"alpha", 0.2f}, {"beta", 0.5f}),
    WITH("Shrink", 9, "shrink", {"lambd", 0.5f}, {"bias", 0}),
    WITH("Swish", 24, "swish", {"alpha", 1}),
    {"PRelu", prelu},
    {"Gelu", gelu, 20},
    {"SwiGLU", swiglu, 28},

    {"Gelu", [](const Import& n) -> Values { return same(n, "gelu"); }, 1, "com.microsoft"},
    {"FastGelu", [](const Import& n) -> Values { return add_then(n, "gelu_tanh"); }, 1, "com.microsoft"},
    {"BiasGelu", [](const Import& n) -> Values { return add_then(n, "gelu"); }, 1, "com.microsoft"},
    {"QuickGelu",
     [](const Import& n) -> Values {
       return with(n, "swish", {{"alpha", 1.702f}});
     },
     1, "com.microsoft"},
};

}  // namespace

extern const ImportTable kMathRows{kRows};

}  // namespace tenon::onnx
