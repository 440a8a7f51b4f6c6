// Scalar functions, and programs of them, as ONNX nodes.
#include "formats/onnx/export.h"
#include "ops/pointwise.h"

namespace tenon::onnx {
namespace {

// The operator that computes a function of the same operands.
const char* operator_of(Function f) {
  switch (f) {
    case Function::add: return "Add";
    case Function::sub: return "Sub";
    case Function::mul: return "Mul";
    case Function::div: return "Div";
    case Function::min: return "Min";
    case Function::max: return "Max";
    case Function::neg: return "Neg";
    case Function::abs: return "Abs";
    case Function::sign: return "Sign";
    case Function::relu: return "Relu";
    case Function::pow: return "Pow";
    case Function::reciprocal: return "Reciprocal";
    case Function::sqrt: return "Sqrt";
    case Function::exp: return "Exp";
    case Function::log: return "Log";
    case Function::sin: return "Sin";
    case Function::cos: return "Cos";
    case Function::tan: return "Tan";
    case Function::asin: return "Asin";
    case Function::acos: return "Acos";
    case Function::atan: return "Atan";
    case Function::sinh: return "Sinh";
    case Function::cosh: return "Cosh";
    case Function::tanh: return "Tanh";
    case Function::asinh: return "Asinh";
    case Function::acosh: return "Acosh";
    case Function::atanh: return "Atanh";
    case Function::erf: return "Erf";
    case Function::floor: return "Floor";
    case Function::ceil: return "Ceil";
    case Function::round: return "Round";
    case Function::sigmoid: return "Sigmoid";
    case Function::hard_swish: return "HardSwish";
    case Function::softplus: return "Softplus";
    case Function::softsign: return "Softsign";
    case Function::mish: return "Mish";
    case Function::bit_and: return "BitwiseAnd";
    case Function::bit_or: return "BitwiseOr";
    case Function::bit_xor: return "BitwiseXor";
    case Function::bit_not: return "BitwiseNot";
    case Function::equal: return "Equal";
    case Function::less: return "Less";
    case Function::less_equal: return "LessOrEqual";
    case Function::greater: return "Greater";
    case Function::greater_equal: return "GreaterOrEqual";
    case Function::is_nan: return "IsNaN";
    case Function::logical_and: return "And";
    case Function::logical_or: return "Or";
    case Function::logical_xor: return "Xor";
    case Function::logical_not: return "Not";
    case Function::where: return "Where";
    default: return nullptr;
  }
}

// Functions whose parameters are attributes in ONNX: the operator, and the names of the parameters, operands 1 and 2.
struct Parametrised {
  Function function;
  const char *op, *second, *third;
};
constexpr Parametrised kParametrised[] = {
    {Function::hard_sigmoid, "HardSigmoid", "alpha", "beta"},
    {Function::elu, "Elu", "alpha", nullptr},
    {Function::selu, "Selu", "alpha", "gamma"},
    {Function::celu, "Celu", "alpha", nullptr},
    {Function::leaky_relu, "LeakyRelu", "alpha", nullptr},
    {Function::thresholded_relu, "ThresholdedRelu", "alpha", nullptr},
    {Function::shrink, "Shrink", "lambd", "bias"},
};

}  // namespace

std::string_view export_function(const Export& n, Function f, const Names& v, const std::vector<std::optional<double>>& numbers, DType type) {
  if (const char* op = operator_of(f)) return n.emit(op, v);
  const auto one = [&] { return n.constant(1, type); };
  const auto binary = [&](const char* op, std::string_view a, std::string_view b) { return n.emit(op, {a, b}); };
  for (const Parametrised& p : kParametrised) {
    if (p.function != f || !numbers[1] || (p.third && !numbers[2])) continue;
    std::vector<AttributeView> attributes{attribute(p.second, static_cast<float>(*numbers[1]))};
    if (p.third) attributes.push_back(attribute(p.third, static_cast<float>(*numbers[2])));
    return n.emit(p.op, {v[0]}, std::move(attributes));
  }
  switch (f) {
    case Function::mod: return n.emit("Mod", v, is_real(type) ? std::vector{attribute("fmod", int64_t{1})} : std::vector<AttributeView>{});
    case Function::fmod: return n.emit("Mod", v, {attribute("fmod", int64_t{1})});
    case Function::clip:
      if (numbers[1] && numbers[2] && *numbers[1] <= *numbers[2])
        return n.emit("Clip", {v[0], n.constant(*numbers[1], type), n.constant(*numbers[2], type)});
      return binary("Min", binary("Max", v[0], v[1]), v[2]);
    case Function::expm1: return binary("Sub", n.emit("Exp", {v[0]}), one());
    case Function::log1p: return n.emit("Log", {binary("Add", v[0], one())});
    case Function::round_within: {
      const std::string_view within = binary("Min", binary("Max", n.emit("Round", {v[0]}), v[1]), v[2]);
      return binary("Add", n.emit("Where", {n.emit("IsNaN", {v[0]}), v[1], within}), n.constant(0, type));
    }
    case Function::gelu:
      if (n.opset() >= 20) return n.emit("Gelu", {v[0]});
      return binary("Mul", binary("Mul", v[0], n.constant(0.5, type)),
                    binary("Add", n.emit("Erf", {binary("Mul", v[0], n.constant(0.70710678118654752, type))}), one()));
    case Function::gelu_tanh: {
      if (n.opset() >= 20) return n.emit("Gelu", {v[0]}, {attribute("approximate", std::string_view("tanh"))});
      const std::string_view cube = binary("Mul", binary("Mul", v[0], v[0]), binary("Mul", v[0], n.constant(0.044715, type)));
      return binary("Mul", v[0], n.emit("Sigmoid", {binary("Mul", binary("Add", v[0], cube), n.constant(1.5957691216057308, type))}));
    }
    case Function::swish: {
      const std::string_view gate = numbers[1] == 1.0 ? v[0] : binary("Mul", v[0], v[1]);
      return binary("Mul", v[0], n.emit("Sigmoid", {gate}));
    }
    case Function::hard_sigmoid: return n.emit("Clip", {binary("Add", binary("Mul", v[0], v[1]), v[2]), n.constant(0, type), one()});
    case Function::leaky_relu: return n.emit("Where", {binary("Less", v[0], n.constant(0, type)), binary("Mul", v[0], v[1]), v[0]});
    case Function::elu:
    case Function::selu: {
      const std::string_view low = binary("Mul", v[1], binary("Sub", n.emit("Exp", {v[0]}), one()));
      const std::string_view y = n.emit("Where", {binary("Greater", v[0], n.constant(0, type)), v[0], low});
      return f == Function::elu ? y : binary("Mul", v[2], y);
    }
    case Function::thresholded_relu: return n.emit("Where", {binary("Greater", v[0], v[1]), v[0], n.constant(0, type)});
    case Function::shift_left:
    case Function::shift_right:
      return n.emit("BitShift", v, {attribute("direction", std::string_view(f == Function::shift_left ? "LEFT" : "RIGHT"))});
    case Function::is_inf: {
      if (!numbers[1] || !numbers[2]) n.refuse("which infinities are looked for is not known before the model runs");
      return n.emit("IsInf", {v[0]},
                    {attribute("detect_negative", int64_t{*numbers[1] != 0}), attribute("detect_positive", int64_t{*numbers[2] != 0})});
    }
    default: n.refuse("the function " + std::string(info(f).name));
  }
}

// A program: each row on the results of those before it. Within it truth values are numbers, in ONNX they are bool.
void export_program(const Export& n) {
  const Program& program = n.attributes<Pointwise>().program;
  DType arithmetic = n.result_type().expressed();
  for (int i = 0; i < n.inputs(); ++i)
    if (n.type(i).expressed() != DType::boolean) arithmetic = n.type(i).expressed();
  Names values;
  std::vector<DType> types;
  std::vector<std::optional<double>> numbers;
  for (int i = 0; i < program.operands; ++i) {
    values.push_back(n.in(i));
    types.push_back(n.type(i).expressed());
    numbers.push_back(n.number(i));
  }
  const auto as = [&](int16_t operand, DType type) {
    const auto i = static_cast<size_t>(operand);
    return types[i] == type ? values[i] : n.cast(values[i], type);
  };
  for (const Scalar& row : program.rows) {
    const FunctionInfo& f = info(row.function);
    Names operands;
    std::vector<std::optional<double>> known;
    for (int k = 0; k < f.arity; ++k) {
      const bool is_truth = f.kind == Kind::logic || (f.kind == Kind::pick && k == 0);
      operands.push_back(as(row.operand[k], is_truth ? DType::boolean : arithmetic));
      known.push_back(numbers[static_cast<size_t>(row.operand[k])]);
    }
    values.push_back(export_function(n, row.function, operands, known, arithmetic));
    types.push_back(f.kind == Kind::test || f.kind == Kind::logic ? DType::boolean : arithmetic);
    numbers.emplace_back();
  }
  n.result("Identity", {as(static_cast<int16_t>(values.size() - 1), n.result_type().expressed())});
}

}  // namespace tenon::onnx
