// Whole graphs drawn at random. What the passes, the choice of layouts and kernels, packing and the frame make of them must agree with
// the references, on every ISA level, with any number of threads, and when one executor is given other sizes. Quantised ones have scales
// that are powers of two, so that no float rounds, and must agree to the bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "device/cpu.h"
#include "exec/executor.h"
#include "exec/model.h"
#include "exec/reference.h"
#include "harness/problem.h"
#include "ir/text.h"
#include "passes/pipeline.h"

namespace tenon {
namespace {

std::string list(const std::vector<int64_t>& numbers) {
  std::string out;
  for (int64_t n : numbers) out += (out.empty() ? "" : ", ") + std::to_string(n);
  return "[" + out + "]";
}

std::string number(double n) {
  char text[40];
  std::snprintf(text, sizeof text, "%.9g", n);
  return text;
}

std::string constant_list(const std::vector<int64_t>& numbers) { return "s64[" + std::to_string(numbers.size()) + "] " + list(numbers); }

// Writes a graph line by line. A line that inference refuses is dropped, so what is drawn need not be thought through.
class Drawing {
 public:
  Drawing(Random& random, bool quantised) : r_(random), quantised_(quantised) {
    const char* types[] = {"f32[n, C, h, w]",  "f32[n, C, h, w]", "f32[2, C, 19, w]", "f32[1, C, 14, 9]",   "f32[2, C, 7, 6]", "f32[n, C, w]",
                           "f32[1, C, 21]",    "f32[n, C]",       "f32[b, t, C]",     "f32[b, 7, C]",       "f32[3, 5, C]",    "f32[1, C, 4, 5, 6]",
                           "f32[n, C, 3, h, w]"};
    const std::string channels = std::to_string(r_.pick<int64_t>({1, 3, 8, 16, 20, 32, 48, 64}));
    const int64_t inputs = r_.in(1, 2);
    std::string type = types[r_.in(0, static_cast<int64_t>(std::size(types)) - 1)];
    type.replace(type.find('C'), 1, channels);
    for (int64_t i = 0; i < inputs; ++i) {
      names_.push_back("x" + std::to_string(names_.size()));
      inputs_ += (inputs_.empty() ? "%" : ", %") + names_.back() + ": " + type;
    }
    read();
    for (int64_t i = r_.in(2, 12); i > 0; --i) {
      using D = Drawing;
      static constexpr void (D::*kReal[])() = {&D::conv,    &D::conv, &D::conv,    &D::conv,    &D::unary,  &D::unary,    &D::binary,    &D::binary,
                                               &D::binary,  &D::pool, &D::product, &D::product, &D::concat, &D::slice,    &D::transpose, &D::reduce,
                                               &D::softmax, &D::norm, &D::pad,     &D::flatten, &D::branch, &D::conv_back, &D::choice,    &D::resize,
                                               &D::concat,  &D::late_reshape, &D::late_slice, &D::late_top_k, &D::compress};
      static constexpr void (D::*kQuantised[])() = {
          &D::quantised_conv, &D::quantised_conv, &D::quantised_conv, &D::quantised_product, &D::store, &D::store,  &D::unary, &D::binary, &D::binary,
          &D::pool,           &D::concat,         &D::concat,         &D::slice,             &D::transpose, &D::pad, &D::flatten, &D::resize};
      if (quantised_) (this->*kQuantised[r_.in(0, static_cast<int64_t>(std::size(kQuantised)) - 1)])();
      else (this->*kReal[r_.in(0, static_cast<int64_t>(std::size(kReal)) - 1)])();
    }
  }

  // Everything that nobody reads is a result.
  std::string text() const {
    std::string results;
    for (size_t i = 0; i < names_.size(); ++i) {
      const std::string name = "%" + names_[i];
      if (!used_.count(names_[i]) && lines_.find("  " + name + " = ") != std::string::npos) results += (results.empty() ? "" : ", ") + name;
    }
    return "graph(" + inputs_ + ")\n" + lines_ + "  return " + (results.empty() ? "%" + names_.back() : results) + "\n";
  }
  bool empty() const { return lines_.empty(); }

 private:
  struct Drawn {
    std::string name, type;
    Shape shape;
  };

  // A value, mostly a late one; of this rank, or of any.
  const Drawn* value(int rank = -1) {
    std::vector<const Drawn*> fitting;
    for (const Drawn& v : values_)
      if (rank < 0 || v.shape.rank() == rank) fitting.push_back(&v);
    if (fitting.empty()) return nullptr;
    size_t back = 0;
    while (back + 1 < fitting.size() && r_.chance(0.45)) ++back;
    return fitting[fitting.size() - 1 - back];
  }
  static int64_t known(Dim d) { return d.known() ? d.number() : 0; }

  // A weight: one of this type and shape that there is, or a new one.
  std::string weight(const std::vector<int64_t>& shape, const std::string& dtype = "f32") {
    const std::string type = dtype + list(shape);
    std::vector<std::string>& same = weights_[type];
    if (!same.empty() && r_.chance(0.4)) return same[static_cast<size_t>(r_.in(0, static_cast<int64_t>(same.size()) - 1))];
    same.push_back("w" + std::to_string(weight_count_++));
    pending_ += "  %" + same.back() + " = constant " + type + " random " + std::to_string(r_.in(1, 1000)) + "\n";
    return same.back();
  }

  void read() {
    Graph g = parse_graph(text());
    values_.clear();
    for (const std::string& name : names_)
      for (const Value& v : g.values)
        if (v.name == name && v.type.dtype == DType::f32 && v.type.shape.rank() > 0) {
          std::string sizes;
          for (Dim d : v.type.shape) sizes += (sizes.empty() ? "" : ", ") + g.extents->text(d);
          values_.push_back({name, "f32[" + sizes + "]", v.type.shape});
        }
  }

  // Adds the result of an op; false where it is not allowed, or too large.
  bool add(const std::string& op, std::vector<std::string> reads, const std::string& attributes = "", const std::string& body = "") {
    const std::string before = lines_;
    if (may_read_constants(op))
      for (std::string& read : reads)
        if (const Drawn* v = named(read); v && r_.chance(0.12)) read = weight_like(v->shape);
    std::string name = "v" + std::to_string(count_++), arguments;
    for (const std::string& read : reads) {
      const bool written = read.empty() || read.find(' ') != std::string::npos;  // omitted, or a constant where it stands
      arguments += (arguments.empty() ? "" : ", ") + (read.empty() ? "_" : written ? read : "%" + read);
    }
    lines_ += pending_ + "  %" + name + " = " + op + "(" + arguments + ")" + (attributes.empty() ? "" : " {" + attributes + "}") + "\n" + body;
    names_.push_back(name);
    try {
      read();
      double elements = 1;
      for (Dim d : values_.back().shape) elements *= d.known() ? static_cast<double>(d.number()) : 8;
      if (elements > 40000) throw Error(Code::resource, "too large");
    } catch (const Error&) {
      lines_ = before;
      names_.pop_back();
      for (auto& [type, all] : weights_) std::erase_if(all, [&](const std::string& w) { return lines_.find("%" + w + " = ") == std::string::npos; });
      pending_.clear();
      read();
      return false;
    }
    pending_.clear();
    for (const std::string& r : reads) used_.insert(r);
    return true;
  }

  // Products of quantised graphs are exact only where both factors are rounded, and branches declare what they read.
  bool may_read_constants(const std::string& op) const { return !sizing_ && op != "if" && !(quantised_ && (op == "conv" || op == "matmul")); }

  const Drawn* named(const std::string& name) const {
    const auto found = std::find_if(values_.begin(), values_.end(), [&](const Drawn& v) { return v.name == name; });
    return found == values_.end() ? nullptr : &*found;
  }

  // A constant in the place of a value: of its shape, or with some axes of size 1; axes of unknown size have size 1.
  std::string weight_like(const Shape& shape) {
    const bool whole = r_.chance(0.6);
    std::vector<int64_t> sizes;
    for (Dim d : shape) sizes.push_back(d.known() && (whole || r_.chance(0.5)) ? d.number() : 1);
    return weight(sizes);
  }

  struct Convolution {
    std::vector<int64_t> weight;
    std::string attributes;
  };
  std::optional<Convolution> convolution(const Shape& x) {
    const int64_t channels = known(x[1]);
    if (!channels) return {};
    int64_t group = 1, outputs = r_.pick<int64_t>({1, 8, 12, 16, 17, 32, 48, 64});
    if (const double kind = r_.real(0, 1); kind < 0.2) group = channels, outputs = channels * r_.in(1, 2);
    else if (kind < 0.35 && channels % 2 == 0) group = 2, outputs = 2 * r_.pick<int64_t>({4, 8, 16, 32});
    const int spatial = x.rank() - 2;
    const int64_t square = r_.chance(0.6) ? r_.pick<int64_t>({1, 1, 3}) : 0;
    const bool odd_pads = r_.chance(0.3);
    std::vector<int64_t> weight{outputs, channels / group}, strides, dilations, pads(2 * static_cast<size_t>(spatial));
    for (size_t s = 0; s < static_cast<size_t>(spatial); ++s) {
      weight.push_back(square ? square : r_.in(1, 4));
      strides.push_back(r_.chance(0.75) ? 1 : r_.in(2, 3));
      dilations.push_back(r_.chance(0.75) ? 1 : r_.in(2, 3));
      for (size_t end : {s, s + static_cast<size_t>(spatial)}) pads[end] = odd_pads ? r_.in(0, 3) : weight.back() / 2;
    }
    return Convolution{weight, "dilations = " + list(dilations) + ", group = " + std::to_string(group) + ", pads = " + list(pads) +
                                   ", strides = " + list(strides)};
  }

  // A value with a batch, channels and one to three spatial axes, mostly two.
  const Drawn* image() { return value(r_.chance(0.6) ? 4 : r_.chance(0.5) ? 3 : 5); }

  void conv() {
    const Drawn* x = image();
    const auto c = x ? convolution(x->shape) : std::nullopt;
    if (!c) return;
    std::vector<std::string> reads{x->name, weight(c->weight)};
    if (r_.chance(0.5)) reads.push_back(weight({c->weight[0]}));
    if (!add("conv", reads, c->attributes)) return;
    int64_t terms = 1;
    for (size_t i = 1; i < c->weight.size(); ++i) terms *= c->weight[i];
    calm(terms);
    if (r_.chance(0.5)) unary();
    if (r_.chance(0.3)) concat();
  }

  // Rounds a value to eight bits and takes it back; the scale, or 0 where the value is too large to be drawn.
  double store(const std::string& x) {
    const double scale = std::ldexp(1, -static_cast<int>(r_.in(2, 5)));
    const std::string scaled = "f32 " + number(scale), zero = r_.pick({"u8 0", "u8 100", "u8 128", "s8 0", "s8 -10"});
    const bool stored = add("quantize", {x, scaled, zero}) && add("dequantize", {names_.back(), scaled, zero});
    return stored ? scale : 0;
  }
  void store() { store(value()->name); }

  // An s8 weight with one scale or one for each index of an axis; the name, and the scale where there is one.
  std::pair<std::string, double> stored_weight(const std::vector<int64_t>& shape, int axis) {
    const std::string w = weight(shape, "s8");
    const double scale = std::ldexp(1, -static_cast<int>(r_.in(4, 6)));
    if (r_.chance(0.5)) {
      add("dequantize", {w, "f32 " + number(scale), "s8 0"});
      return {names_.back(), scale};
    }
    const std::string scales = "s" + std::to_string(weight_count_++);
    std::string numbers;
    for (int64_t i = 0; i < shape[static_cast<size_t>(axis)]; ++i) numbers += (i ? ", " : "") + number(std::ldexp(1, -static_cast<int>(r_.in(4, 6))));
    pending_ += "  %" + scales + " = constant f32[" + std::to_string(shape[static_cast<size_t>(axis)]) + "] [" + numbers + "]\n";
    add("dequantize", {w, scales}, "axis = " + std::to_string(axis));
    return {names_.back(), 0};
  }

  void finish_quantised() {
    if (r_.chance(0.5)) unary();
    if (r_.chance(0.3)) binary();
    store(values_.back().name);
  }

  void quantised_conv() {
    const Drawn* x = image();
    const auto c = x ? convolution(x->shape) : std::nullopt;
    if (!c) return;
    const double scale = store(x->name);
    if (scale == 0) return;
    std::vector<std::string> reads{names_.back()};
    const auto [weight_name, weight_scale] = stored_weight(c->weight, 0);
    reads.push_back(weight_name);
    if (weight_scale > 0 && r_.chance(0.5)) {
      add("dequantize", {weight({c->weight[0]}, "s32"), "f32 " + number(scale * weight_scale)});
      reads.push_back(names_.back());
    }
    if (add("conv", reads, c->attributes)) finish_quantised();
  }

  void quantised_product() {
    const Drawn& x = *value();
    const int64_t inner = x.shape.rank() > 1 ? known(x.shape[x.shape.rank() - 1]) : 0;
    if (!inner) return;
    if (store(x.name) == 0) return;
    const std::string left = names_.back();
    const auto [right, scale] = stored_weight({inner, r_.pick<int64_t>({1, 3, 8, 16, 33, 64})}, 1);
    if (add("matmul", {left, right})) finish_quantised();
  }

  void conv_back() {
    const Drawn* x = image();
    if (!x || !known(x->shape[1]) || known(x->shape[1]) > 32) return;
    const size_t spatial = static_cast<size_t>(x->shape.rank()) - 2;
    const int64_t size = r_.in(2, 3), pad = r_.in(0, 1), channels = known(x->shape[1]);
    std::vector<int64_t> shape{channels, r_.pick<int64_t>({1, 8, 17})};
    shape.resize(2 + spatial, size);
    if (add("conv_transpose", {x->name, weight(shape)},
            "pads = " + list(std::vector(2 * spatial, pad)) + ", strides = " + list(std::vector<int64_t>(spatial, 2))))
      calm(channels);
  }

  // What a sum over so many has grown to is scaled down again.
  void calm(int64_t terms) {
    if (terms > 8 && r_.chance(0.8)) add("mul", {values_.back().name, "f32 " + number(1 / std::sqrt(static_cast<double>(terms)))});
  }

  void unary() {
    const std::string x = value()->name;
    if (quantised_) {
      if (r_.chance(0.3)) add("clip", {x, "f32 0", "f32 6"});
      else add(r_.pick({"relu", "relu", "neg", "abs"}), {x});
      return;
    }
    switch (r_.in(0, 4)) {
      case 0: add("clip", {x, "f32 0", "f32 6"}); break;
      case 1:
        if (add("sigmoid", {x})) add("mul", {x, values_.back().name});
        break;
      case 2: add(r_.pick({"neg", "abs", "sin"}), {x}); break;
      default: add(r_.pick({"relu", "relu", "sigmoid", "tanh", "erf", "gelu", "softplus"}), {x}); break;
    }
  }

  void binary() {
    const Drawn& x = *value();
    std::vector<std::string> reads{x.name};
    if (quantised_ || r_.chance(0.5)) {
      std::vector<std::string> same;
      for (const Drawn& v : values_)
        if (v.shape == x.shape) same.push_back(v.name);
      reads.push_back(same[static_cast<size_t>(r_.in(0, static_cast<int64_t>(same.size()) - 1))]);
    } else if (r_.chance(0.3)) {
      reads.push_back(r_.pick({"f32 0.5", "f32 -2", "f32 1"}));
    } else {
      std::vector<int64_t> shape;
      for (Dim d : x.shape) shape.push_back(d.known() && r_.chance(0.5) ? d.number() : 1);
      while (!shape.empty() && shape[0] == 1 && r_.chance(0.5)) shape.erase(shape.begin());
      reads.push_back(weight(shape));
    }
    if (r_.chance(0.3)) std::swap(reads[0], reads[1]);
    add(quantised_ ? r_.pick({"add", "add", "sub", "max", "min"}) : r_.pick({"add", "add", "sub", "mul", "max", "min"}), reads);
  }

  void pool() {
    const Drawn* x = image();
    if (!x) return;
    const size_t spatial = static_cast<size_t>(x->shape.rank()) - 2;
    const int64_t size = r_.in(2, 3), pad = r_.in(0, 1);
    std::vector<int64_t> strides;
    for (size_t s = 0; s < spatial; ++s) strides.push_back(r_.in(1, 3));
    add(quantised_ ? "max_pool" : r_.pick({"max_pool", "average_pool"}), {x->name},
        std::string("ceil_mode = ") + r_.pick({"true", "false", "false", "false"}) + ", kernel_shape = " + list(std::vector(spatial, size)) +
            ", pads = " + list(std::vector(2 * spatial, pad)) + ", strides = " + list(strides));
  }

  void resize() {
    const Drawn* x = image();
    if (!x) return;
    std::vector<int64_t> axes;
    for (int i = 2; i < x->shape.rank(); ++i) axes.push_back(i);
    std::string scales;
    for (size_t i = 0; i < axes.size(); ++i) scales += (i ? ", " : "") + std::string(r_.pick({"2", "1", "1.5"}));
    const bool nearest = quantised_ || r_.chance(0.5);
    add("resize", {x->name}, "axes = " + list(axes) + ", scales = [" + scales + "], mode = " + (nearest ? "nearest" : "linear"));
  }

  // Elements of two values, as a third says; each of the three may be a constant.
  void choice() {
    const Drawn x = *value();
    if (!add("less", {x.name, r_.chance(0.5) ? "f32 0.1" : weight_like(x.shape)})) return;
    const std::string condition = names_.back();
    std::vector<std::string> same;
    for (const Drawn& v : values_)
      if (v.shape == x.shape) same.push_back(v.name);
    add("where", {condition, r_.chance(0.4) ? weight_like(x.shape) : x.name, same[static_cast<size_t>(r_.in(0, static_cast<int64_t>(same.size()) - 1))]});
  }

  void product() {
    const Drawn& x = *value();
    const int rank = x.shape.rank();
    if (rank < 2) return;
    if (const int64_t inner = known(x.shape[rank - 1]); inner && r_.chance(0.8)) {
      const int64_t outputs = r_.pick<int64_t>({1, 3, 8, 16, 33, 64});
      const bool turned = r_.chance(0.3);
      if (!add("matmul", {x.name, weight(turned ? std::vector{outputs, inner} : std::vector{inner, outputs})}, turned ? "transpose_b = true" : ""))
        return;
      calm(inner);
      if (r_.chance(0.5)) add("add", {values_.back().name, weight({outputs})});
    } else {
      add("matmul", {x.name, x.name}, "transpose_b = true");  // as attention makes its scores
    }
  }

  // Of values and of constants, whose size along the axis is a multiple of the blocks of channels, or not.
  void concat() {
    const Drawn x = *value();
    const int axis = static_cast<int>(r_.chance(0.5) && x.shape.rank() > 1 ? 1 : r_.in(0, x.shape.rank() - 1));
    bool sizes_known = true;
    std::vector<int64_t> part;
    for (int i = 0; i < x.shape.rank(); ++i) {
      sizes_known &= i == axis || x.shape[i].known();
      part.push_back(known(x.shape[i]));
    }
    std::vector<std::string> reads{x.name};
    for (int64_t i = r_.in(1, 2); i > 0; --i) {
      part[static_cast<size_t>(axis)] = r_.pick<int64_t>({1, 3, 8, 16, 16, 24, 32, 64});
      const std::string read = sizes_known && r_.chance(0.4) ? weight(part) : value(x.shape.rank())->name;
      reads.insert(reads.begin() + r_.in(0, static_cast<int64_t>(reads.size())), read);
    }
    add("concat", reads, "axis = " + std::to_string(axis));
  }

  void slice() {
    const Drawn& x = *value();
    const int64_t axis = r_.in(0, x.shape.rank() - 1), size = known(x.shape[static_cast<int>(axis)]);
    if (size < 2) return;
    const int64_t first = r_.in(0, size - 1);
    add("slice", {x.name, constant_list({first}), constant_list({r_.in(first + 1, size)}), constant_list({axis}),
                  constant_list({r_.pick<int64_t>({1, 1, 2})})});
  }

  void transpose() {
    const Drawn& x = *value();
    std::vector<int64_t> order(static_cast<size_t>(x.shape.rank()));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<size_t>(r_.in(0, static_cast<int64_t>(i) - 1))]);
    add("transpose", {x.name}, "perm = " + list(order));
  }

  void reduce() {
    const Drawn& x = *value();
    add("reduce", {x.name},
        "axes = " + list({r_.in(0, x.shape.rank() - 1)}) + ", kind = " + r_.pick({"sum", "mean", "max", "l2"}) +
            ", keepdims = " + r_.pick({"true", "false"}));
  }

  void softmax() {
    const Drawn& x = *value();
    add("softmax", {x.name}, "axis = " + std::to_string(r_.in(0, x.shape.rank() - 1)));
  }

  void norm() {
    const Drawn& x = *value();
    const int64_t size = x.shape.rank() ? known(x.shape[x.shape.rank() - 1]) : 0;
    // With a large epsilon: what is nearly constant would be a sum of rounding errors, divided by themselves.
    if (size) add("layer_norm", {x.name, weight({size}), weight({size})}, "epsilon = 0.5");
  }

  void pad() {
    const Drawn& x = *value();
    std::vector<int64_t> pads(2 * static_cast<size_t>(x.shape.rank()));
    for (int64_t& p : pads) p = r_.chance(0.3) ? r_.in(-1, 2) : 0;
    add("pad", {x.name, constant_list(pads)}, std::string("mode = ") + r_.pick({"constant", "edge"}));
  }

  void flatten() {
    const Drawn& x = *value();
    if (r_.chance(0.5)) add("flatten", {x.name}, "axis = 1");
    else add("reshape", {x.name, constant_list({0, r_.pick<int64_t>({2, 3, 4}), -1})});
  }

  // The sizes of a value, by way of floats, which only constant folding follows; for symbolic sizes only a run knows them.
  bool late_sizes(const std::string& x) {
    return add("shape", {x}) && add("cast", {names_.back()}, "to = f32") && add("floor", {names_.back()}) && add("cast", {names_.back()}, "to = s64");
  }

  void late_reshape() { late([&] { reshape_late(); }); }
  void late_slice() { late([&] { slice_late(); }); }
  void late_top_k() { late([&] { top_k_late(); }); }
  // What computes sizes reads what it is given, no constants in its place.
  template <class Draw>
  void late(const Draw& draw) {
    sizing_ = true;
    draw();
    sizing_ = false;
  }

  void reshape_late() {
    const std::string x = value()->name;
    if (late_sizes(x)) add("reshape", {x, names_.back()});
  }

  // One element less along an axis.
  void slice_late() {
    const Drawn x = *value();
    const int64_t axis = r_.in(0, x.shape.rank() - 1);
    if (!late_sizes(x.name) || !add("sub", {names_.back(), "s64[1] [1]"})) return;
    const std::string sizes = names_.back();
    if (add("gather", {sizes, constant_list({axis})})) add("slice", {x.name, constant_list({0}), names_.back(), constant_list({axis})});
  }

  void top_k_late() {
    const Drawn x = *value();
    const int64_t axis = r_.in(0, x.shape.rank() - 1);
    if (!late_sizes(x.name)) return;
    if (!add("gather", {names_.back(), constant_list({axis})}) || !add("min", {names_.back(), "s64[1] [3]"})) return;
    add("top_k", {x.name, names_.back()}, "axis = " + std::to_string(axis));
  }

  // The elements of an axis at which the largest of the others is above a bound; also the sizes of what is left, as a value.
  void compress() {
    const Drawn x = *value();
    const int64_t axis = r_.in(0, x.shape.rank() - 1);
    std::vector<int64_t> others;
    for (int64_t i = 0; i < x.shape.rank(); ++i)
      if (i != axis) others.push_back(i);
    std::string line = x.name;
    if (!others.empty()) {
      if (!add("reduce", {x.name}, "axes = " + list(others) + ", kind = max, keepdims = false")) return;
      line = names_.back();
    }
    if (!add("less", {line, "f32 0.4"}) || !add("compress", {x.name, names_.back()}, "axis = " + std::to_string(axis) + ", flat = false")) return;
    const std::string kept = names_.back();
    if (r_.chance(0.5) && add("shape", {kept}) && add("expand", {"f32 0.5", names_.back()})) add("mul", {kept, names_.back()});
  }

  // Branches that read the same value and the same weight as what is around them.
  void branch() {
    const Drawn& x = *value();
    const int rank = x.shape.rank();
    const int64_t size = rank ? known(x.shape[rank - 1]) : 0;
    if (rank < 2 || !size || size > 100) return;
    const std::string w = weight({size, size}), matrix = "f32" + list({size, size}), name = x.name, type = x.type;
    if (!add("reduce", {name}, "keepdims = false")) return;
    if (!add("less", {names_.back(), "f32 0.37"})) return;
    const std::string condition = names_.back();
    const std::string head = "(%a: " + type + ", %m: " + matrix + ")\n", product = "      %p = matmul(%a, %m)\n";
    add("if", {condition, name, w}, "",
        "    graph then" + head + product + "      %q = relu(%p)\n      return %q\n    graph else" + head + product +
            "      %q = add(%p, %a)\n      return %q\n");
  }

  Random& r_;
  bool quantised_, sizing_ = false;
  int count_ = 0, weight_count_ = 0;
  std::string inputs_, lines_, pending_;
  std::vector<std::string> names_;
  std::vector<Drawn> values_;
  std::set<std::string> used_;
  std::map<std::string, std::vector<std::string>> weights_;  // by type
};

Array drawn_array(const Type& t, const std::map<std::string, int64_t>& sizes, const Extents& e, Random& r) {
  std::vector<int64_t> shape;
  for (Dim d : t.shape) shape.push_back(d.known() ? d.number() : sizes.at(e.symbol_name(d.row())));
  Array a(t.dtype, shape);
  for (Cell& c : a.cells) c.real = rounded(t.dtype, r.real(-2, 2));
  return a;
}

struct Answer {
  std::vector<Array> outputs;
  double largest = 0;   // magnitude on the way
  std::string refusal;  // the references refuse the sizes
};

Answer expected(const Graph& g, const std::vector<Array>& inputs) {
  Answer a;
  try {
    a.outputs = run_reference(g, inputs, [&](const Graph&, ValueId, const Array& value) {
      if (value.is_real())
        for (const Cell& c : value.cells)
          if (std::isfinite(c.real)) a.largest = std::max(a.largest, std::abs(c.real));
    });
  } catch (const Error& e) { a.refusal = e.what(); }
  return a;
}

void expect_close(const Array& got, const Array& wanted, double largest, bool exact, int output) {
  ASSERT_EQ(got.shape, wanted.shape) << "output " << output;
  double range = 0;
  for (const Cell& c : wanted.cells)
    if (std::isfinite(c.real)) range = std::max(range, std::abs(c.real));
  // Rounding errors of large intermediate values are still there where these have cancelled out.
  const double allowed = exact ? 0 : 2e-4 * range + 2e-6 * largest;
  for (size_t i = 0; i < wanted.cells.size(); ++i) {
    const double x = got.cells[i].real, y = wanted.cells[i].real;
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;  // not finite: reductions of nothing
    ASSERT_LE(std::abs(x - y), allowed) << "element " << i << " of output " << output << " is " << x << ", expected " << y;
  }
}

void run_unguarded(const Graph& g, Isa isa, int workers, const std::vector<std::vector<Array>>& inputs, const std::vector<Answer>& answers, bool exact) {
  Graph passed = detached(g);
  run_passes(passed, {.workers = workers, .verify = true});
  PlanOptions options;
  options.isa = isa, options.workers = workers;
  Executor executor(make_plan(std::move(passed), options), INT64_MAX);
  for (size_t set = 0; set < inputs.size(); ++set) {
    SCOPED_TRACE("set " + std::to_string(set));
    const Answer& answer = answers[set];
    std::vector<OwnedTensor> given;
    for (const Array& a : inputs[set]) given.push_back(owned(a));
    try {
      for (size_t i = 0; i < given.size(); ++i) executor.frame().set_input(static_cast<int>(i), given[i].view());
      executor.run();
    } catch (const Error& e) {
      EXPECT_NE(answer.refusal, "") << "the references take these sizes: " << e.what();
      continue;
    }
    ASSERT_EQ(answer.refusal, "");
    for (size_t i = 0; i < answer.outputs.size(); ++i)
      expect_close(array_of(executor.frame().output(static_cast<int>(i))), answer.outputs[i], answer.largest, exact, static_cast<int>(i));
  }
}

void run(const Graph& g, Isa isa, int workers, const std::vector<std::vector<Array>>& inputs, const std::vector<Answer>& answers, bool exact) {
  try {
    run_unguarded(g, isa, workers, inputs, answers, exact);
  } catch (const Error& e) {
    // What constant folding finds out may be refused at once, and must be refused by the references for all sizes.
    for (const Answer& answer : answers) EXPECT_NE(answer.refusal, "") << "planning is refused: " << e.what();
  }
}

void expect_agreement(bool quantised) {
  int answered = 0;
  sweep(400, [&](Random& r) {
    const Drawing drawing(r, quantised);
    if (drawing.empty()) return;
    SCOPED_TRACE(drawing.text());
    const Graph g = parse_graph(drawing.text());
    std::vector<std::vector<Array>> inputs;
    std::vector<Answer> answers;
    for (int set = 0; set < 3; ++set) {
      std::map<std::string, int64_t> sizes;
      for (const auto& [symbol, most] : std::map<std::string, int64_t>{{"n", 3}, {"b", 4}, {"t", 20}, {"h", 24}, {"w", 24}})
        sizes[symbol] = r.chance(0.05) ? 0 : r.in(1, most);
      inputs.emplace_back();
      for (ValueId v : g.inputs) inputs.back().push_back(drawn_array(g.values[v].type, sizes, *g.extents, r));
      answers.push_back(expected(g, inputs.back()));
      answered += answers.back().refusal.empty();
    }
    for (Isa isa : isa_levels()) {
      if (!supports(isa) || isa > best_isa() || isa == Isa::reference) continue;
      SCOPED_TRACE(name(isa));
      run(g, isa, static_cast<int>(r.in(1, 3)), inputs, answers, quantised);
    }
  });
  EXPECT_GT(answered, 100);
}

TEST(DrawnGraphs, agree_with_the_references) { expect_agreement(false); }
TEST(DrawnGraphs, that_are_quantised_agree_to_the_bit) { expect_agreement(true); }

// Weights and inputs without elements, which a product or a window divides by the sizes of.
TEST(DrawnGraphs, of_nothing_agree_too) {
  Random r(1);
  for (const char* text :
       {"graph(%x: f32[0, 3, 16]) %w = constant f32[0, 16, 8] random 1 %y = matmul(%x, %w) return %y",
        "graph(%x: f32[2, 3, 0]) %w = constant f32[0, 8] random 1 %y = matmul(%x, %w) return %y",
        "graph(%x: f32[2, 3, 16]) %w = constant f32[16, 0] random 1 %y = matmul(%x, %w) return %y",
        "graph(%x: f32[0, 3, 16], %z: f32[0, 16, 8]) %y = matmul(%x, %z) return %y",
        "graph(%x: f32[1, 16, 5, 5]) %w = constant f32[0, 16, 3, 3] random 1 %y = conv(%x, %w) return %y",
        "graph(%x: f32[1, 0, 5, 5]) %w = constant f32[16, 0, 1, 1] random 1 %y = conv(%x, %w) return %y",
        "graph(%x: f32[0, 16, 5, 5]) %w = constant f32[16, 1, 3, 3] random 1 %y = conv(%x, %w) {group = 16} return %y",
        "graph(%x: f32[3, 2, 0]) %w = constant f32[1, 16, 0] random 1 %q = constant f32[1, 16, 4] random 2 %y = lstm(%x, %w, %q) return %y"}) {
    SCOPED_TRACE(text);
    const Graph g = parse_graph(text);
    std::vector<std::vector<Array>> inputs(1);
    for (ValueId v : g.inputs) inputs[0].push_back(drawn_array(g.values[v].type, {}, *g.extents, r));
    const std::vector<Answer> answers{expected(g, inputs[0])};
    EXPECT_EQ(answers[0].refusal, "");
    for (Isa isa : isa_levels())
      if (supports(isa) && isa <= best_isa()) run(g, isa, 2, inputs, answers, false);
  }
}

}  // namespace
}  // namespace tenon
