#include "harness/onnx_text.h"

#include <deque>
#include <stdexcept>

#include "base/tensor.h"
#include "formats/onnx/writer.h"

namespace tenon::onnx {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) {
    size_t begin = 0;
    while (begin < text.size()) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = text.substr(begin, end - begin);
      const size_t indent = line.find_first_not_of(' ');
      if (indent != std::string_view::npos) lines_.push_back({indent, line.substr(indent)});
      begin = end + 1;
    }
  }

  std::string model() {
    Model m;
    m.ir_version = 10;
    m.graph = graph(0);
    m.graph.name = "main";
    m.opsets = opsets_;
    return write_model(m);
  }

 private:
  struct Line {
    size_t indent;
    std::string_view text;
  };

  // Lines with at least this indent, from here on.
  GraphView graph(size_t indent) {
    GraphView g;
    for (; next_ < lines_.size() && lines_[next_].indent >= indent;) {
      start(lines_[next_++].text);
      const std::string_view first = word();
      if (first == "opset") opsets();
      else if (first == "in") inputs(g);
      else if (first == "out" || first == "return") outputs(g);
      else if (accept(":")) initializer(g, first);
      else node(g, first);
      if (!rest_.empty()) fail("the end of the line");
    }
    return g;
  }

  void opsets() {
    opsets_.push_back({"", integer()});
    while (accept(",")) {
      const std::string_view domain = word();
      opsets_.push_back({domain, integer()});
    }
  }

  void inputs(GraphView& g) {
    do {
      ValueInfoView v;
      v.name = word();
      expect(":");
      v.type = type();
      g.inputs.push_back(v);
    } while (accept(","));
  }

  void outputs(GraphView& g) {
    do {
      ValueInfoView v;
      v.name = word();
      if (accept(":")) v.type = type();
      g.outputs.push_back(v);
    } while (accept(","));
  }

  TypeView type() {
    TypeView t;
    if (accept("sequence")) {
      t.kind = TypeView::sequence;
      expect("(");
      t.inner.push_back(type());
      expect(")");
      return t;
    }
    if (accept("map(")) {
      t.kind = TypeView::map;
      t.element = data_type_of(dtype());
      expect(",");
      t.inner.push_back(type());
      expect(")");
      return t;
    }
    t.kind = TypeView::tensor;
    t.element = data_type_of(dtype());
    t.has_shape = accept("[");
    if (!t.has_shape) return t;
    while (!accept("]")) {
      if (digit()) t.shape.push_back({integer(), {}});
      else t.shape.push_back({std::nullopt, word()});
      accept(",");
    }
    return t;
  }

  TensorView tensor(std::string_view name) {
    TensorView t;
    t.name = name;
    const DType d = dtype();
    t.data_type = data_type_of(d);
    expect("[");
    while (!accept("]")) t.dims.push_back(integer()), accept(",");
    accept("=");
    int64_t count = 1;
    for (int64_t n : t.dims) count *= n;
    std::string& raw = keep(std::string(static_cast<size_t>(storage_bytes(d, count)), '\0'));
    expect("[");
    int64_t i = 0;
    for (; !accept("]"); ++i) {
      const double v = number();
      if (i >= count) fail("no more than " + std::to_string(count) + " elements");
      store_cell(d, raw.data(), i, is_real(d) ? Cell{.real = v} : Cell{.integer = static_cast<int64_t>(v)});
      accept(",");
    }
    // One element stands for all.
    if (i == 1)
      for (; i < count; ++i) store_cell(d, raw.data(), i, load_cell(d, raw.data(), 0));
    if (i != count && count) fail(std::to_string(count) + " elements");
    if (d != DType::string) t.raw = raw, t.has_raw = true;
    return t;
  }

  void initializer(GraphView& g, std::string_view name) { g.initializers.push_back(tensor(name)); }

  void node(GraphView& g, std::string_view first) {
    NodeView n;
    n.outputs.push_back(first == "_" ? "" : first);
    while (accept(",")) {
      const std::string_view name = word();
      n.outputs.push_back(name == "_" ? "" : name);
    }
    expect("=");
    n.op = word();
    if (const size_t dot = n.op.rfind('.'); dot != std::string_view::npos) n.domain = n.op.substr(0, dot), n.op = n.op.substr(dot + 1);
    n.name = keep(std::string(n.outputs[0]));
    expect("(");
    while (!accept(")")) {
      const std::string_view name = word();
      n.inputs.push_back(name == "_" ? "" : name);
      accept(",");
    }
    if (accept("{")) {
      while (!accept("}")) n.attributes.push_back(attribute()), accept(",");
    }
    const size_t indent = lines_[next_ - 1].indent;
    if (!rest_.empty()) fail("the end of the line");
    while (next_ < lines_.size() && lines_[next_].indent > indent) n.attributes.push_back(body(lines_[next_].indent));
    g.nodes.push_back(std::move(n));
  }

  AttributeView body(size_t indent) {
    start(lines_[next_++].text);
    AttributeView a;
    a.name = word();
    a.type = AttributeView::kGraph;
    std::vector<std::string_view> names;
    if (accept("("))
      while (!accept(")")) names.push_back(word()), accept(",");
    expect(":");
    GraphView g = graph(indent + 1);
    g.name = a.name;
    for (std::string_view n : names) {
      ValueInfoView v;
      v.name = n;
      g.inputs.push_back(v);
    }
    a.graphs.push_back(std::move(g));
    rest_ = {};
    return a;
  }

  AttributeView attribute() {
    AttributeView a;
    a.name = word();
    expect("=");
    if (accept("[")) {
      a.type = AttributeView::kInts;
      while (!accept("]")) {
        if (at("\"")) a.type = AttributeView::kStrings, a.strings.push_back(quoted());
        else if (real()) a.type = AttributeView::kFloats, a.floats.push_back(static_cast<float>(number()));
        else a.ints.push_back(integer());
        accept(",");
      }
    } else if (at("\"")) {
      a.type = AttributeView::kString, a.s = quoted();
    } else if (!digit()) {
      a.type = AttributeView::kTensor;
      a.tensors.push_back(tensor(""));
    } else if (real()) {
      a.type = AttributeView::kFloat, a.f = static_cast<float>(number());
    } else {
      a.type = AttributeView::kInt, a.i = integer();
    }
    return a;
  }

  // ---- words of a line

  void start(std::string_view line) {
    line_ = line;
    rest_ = line.substr(0, line.find('#'));
    skip();
  }
  void skip() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    while (!rest_.empty() && rest_.back() == ' ') rest_.remove_suffix(1);
  }
  bool at(std::string_view what) const { return rest_.substr(0, what.size()) == what; }
  bool accept(std::string_view what) {
    if (!at(what)) return false;
    rest_.remove_prefix(what.size());
    skip();
    return true;
  }
  void expect(std::string_view what) {
    if (!accept(what)) fail("\"" + std::string(what) + "\"");
  }
  bool digit() const { return !rest_.empty() && (std::isdigit(static_cast<unsigned char>(rest_[0])) || rest_[0] == '-'); }
  // Whether the number here has a point or an exponent.
  bool real() const {
    const std::string_view n = rest_.substr(0, rest_.find_first_of(",]} "));
    return n.find_first_of(".en") != std::string_view::npos;
  }
  std::string_view word() {
    size_t n = 0;
    while (n < rest_.size() &&
           (std::isalnum(static_cast<unsigned char>(rest_[n])) || std::string_view("_./-").find(rest_[n]) != std::string_view::npos))
      ++n;
    if (!n) fail("a name");
    const std::string_view w = rest_.substr(0, n);
    rest_.remove_prefix(n);
    skip();
    return w;
  }
  std::string_view quoted() {
    expect("\"");
    const size_t end = rest_.find('"');
    if (end == std::string_view::npos) fail("a closing quote");
    const std::string_view s = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    skip();
    return s;
  }
  double number() {
    size_t used = 0;
    const std::string n(rest_.substr(0, rest_.find_first_of(",]} ")));
    double v = 0;
    try {
      v = std::stod(n, &used);
    } catch (const std::exception&) { fail("a number"); }
    rest_.remove_prefix(used);
    skip();
    return v;
  }
  int64_t integer() {
    size_t used = 0;
    const std::string n(rest_.substr(0, rest_.find_first_of(",]} ")));
    int64_t v = 0;
    try {
      v = std::stoll(n, &used);
    } catch (const std::exception&) { fail("an integer"); }
    rest_.remove_prefix(used);
    skip();
    return v;
  }
  DType dtype() {
    const DType d = dtype_named(word());
    if (d == DType::none) fail("an element type");
    return d;
  }
  std::string& keep(std::string s) { return kept_.emplace_back(std::move(s)); }
  [[noreturn]] void fail(const std::string& expected) const {
    throw std::runtime_error("ONNX text: expected " + expected + " at \"" + std::string(rest_) + "\" in \"" + std::string(line_) + "\"");
  }

  std::vector<Line> lines_;
  size_t next_ = 0;
  std::string_view line_, rest_;
  std::vector<OpsetView> opsets_;
  std::deque<std::string> kept_;
};

}  // namespace

std::string model_from_text(std::string_view text) { return Parser(text).model(); }

}  // namespace tenon::onnx
