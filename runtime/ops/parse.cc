#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <map>
#include <unordered_map>

#include "ir/text.h"
#include "ir/verify.h"
#include "ops/op.h"
#include "ops/pointwise.h"

namespace tenon {
namespace {

// Characters of the text, and the smallest things made of them.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[noreturn]] void fail(const std::string& expected) {
    skip();
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<int64_t>(at_), '\n');
    std::string_view rest = text_.substr(at_);
    rest = rest.substr(0, std::min<size_t>(rest.find_first_of(" \n"), 24));
    throw Error(Code::bad_model, "line " + std::to_string(line) + ": " + expected + " expected" +
                                     (rest.empty() ? " before the end" : ", \"" + printable(rest) + "\" found"));
  }

  // Whether the text goes on with `token`; a token of letters must end there.
  bool at(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    return !is_word(token.back()) || at_ + token.size() == text_.size() || !is_word(text_[at_ + token.size()]);
  }
  bool at_end() { return skip(), at_ == text_.size(); }
  bool at_digit() { return skip(), at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); }
  bool accept(std::string_view token) {
    if (!at(token)) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail("\"" + std::string(token) + "\"");
  }

  std::string word(const char* what) {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (begin == at_) fail(what);
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::string quoted() {
    expect("\"");
    const size_t end = text_.find('"', at_);
    if (end == text_.npos) fail("a closing quotation mark");
    std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  // What stands behind %. A number is no name: the value has none.
  std::string name() {
    expect("%");
    if (at_ < text_.size() && text_[at_] == '"') return quoted();
    const size_t begin = at_;
    while (at_ < text_.size() && is_name(at_)) ++at_;
    if (begin == at_) fail("a name");
    return std::string(text_.substr(begin, at_ - begin));
  }
  int64_t integer() { return number<int64_t>("an integer"); }
  double real() { return number<double>("a number"); }

 private:
  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  bool is_name(size_t i) const {
    const char c = text_[i], next = i + 1 < text_.size() ? text_[i + 1] : ' ';
    if (c == ':') return next == ':' || is_word(next);
    if (c == '-') return next != '>';
    return is_word(c) || c == '.' || c == '/';
  }
  template <class T>
  T number(const char* what) {
    skip();
    T value{};
    const char* end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data() + at_, end, value);
    if (error != std::errc{}) fail(what);
    at_ = static_cast<size_t>(stop - text_.data());
    return value;
  }
  void skip() {
    while (at_ < text_.size() && (std::isspace(static_cast<unsigned char>(text_[at_])) || text_[at_] == '#')) {
      if (text_[at_] == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      else ++at_;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

// Reads "name = value" pairs ahead of the visit, which then takes each value as what its field is.
class FieldReader : public FieldVisitor {
 public:
  explicit FieldReader(Scanner& s) : scan_(s) {
    s.expect("{");
    while (!s.accept("}")) {
      const std::string name = s.word("the name of an attribute");
      s.expect("=");
      places_.emplace(name, s);
      if (s.accept("[")) {
        while (!s.accept("]")) pass();
      } else {
        pass();
      }
      if (!s.at("}")) s.expect(",");
    }
  }
  // Throws where a name was no field.
  void finish(const Op& op) {
    if (!places_.empty()) places_.begin()->second.fail("an attribute of " + std::string(op.name) + " instead of " + places_.begin()->first);
  }

  void operator()(const char* name, bool& v) override {
    take(name, [&](Scanner& s) {
      v = s.accept("true");
      if (!v) s.expect("false");
    });
  }
  void operator()(const char* name, int64_t& v) override {
    take(name, [&](Scanner& s) { v = s.integer(); });
  }
  void operator()(const char* name, float& v) override {
    take(name, [&](Scanner& s) { v = static_cast<float>(s.real()); });
  }
  void operator()(const char* name, std::string& v) override {
    take(name, [&](Scanner& s) { v = s.quoted(); });
  }
  void operator()(const char* name, std::vector<int64_t>& v) override {
    list(name, v, [](Scanner& s) { return s.integer(); });
  }
  void operator()(const char* name, std::vector<float>& v) override {
    list(name, v, [](Scanner& s) { return static_cast<float>(s.real()); });
  }
  void operator()(const char* name, std::vector<std::string>& v) override {
    list(name, v, [](Scanner& s) { return s.quoted(); });
  }
  void operator()(const char* name, DType& v) override {
    take(name, [&](Scanner& s) { v = dtype_named(s.word("an element type")); });
  }
  void choice(const char* name, int& v, const char* const* words, int count) override {
    take(name, [&](Scanner& s) {
      for (v = 0; v < count; ++v)
        if (s.accept(words[v])) return;
      s.fail("a word of " + std::string(name));
    });
  }

 private:
  void pass() {
    if (scan_.at("\"")) scan_.quoted();
    else if (!scan_.accept(",")) scan_.at_digit() || scan_.at("-") ? void(scan_.real()) : void(scan_.word("a value"));
  }
  template <class F>
  void take(const char* name, F read) {
    const auto found = places_.find(name);
    if (found == places_.end()) return;
    read(found->second);
    places_.erase(found);
  }
  template <class T, class F>
  void list(const char* name, std::vector<T>& values, F read) {
    take(name, [&](Scanner& s) {
      values.clear();
      s.expect("[");
      while (!s.accept("]")) {
        values.push_back(read(s));
        if (!s.at("]")) s.expect(",");
      }
    });
  }

  Scanner& scan_;
  std::map<std::string, Scanner> places_;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : scan_(text) {}

  Graph whole() {
    Graph g;
    body(g);
    if (!scan_.at_end()) scan_.fail("the end");
    if (const std::string wrong = breach(g, Stage::selected); !wrong.empty()) throw Error(Code::bad_model, wrong);
    return g;
  }

 private:
  using Names = std::unordered_map<std::string, ValueId>;

  void body(Graph& g) {
    extents_ = g.extents.get();
    Names names;
    scan_.expect("graph");
    if (scan_.at("\"")) g.name = scan_.quoted();
    else if (!scan_.at("(")) g.name = scan_.word("the name of the graph");
    scan_.expect("(");
    while (!scan_.accept(")")) {
      const std::string n = scan_.name();
      scan_.expect(":");
      define(g, names, n, g.add_input("", type()));
      if (!scan_.at(")")) scan_.expect(",");
    }
    std::vector<std::pair<ValueId, ValueId>> ties;
    while (!scan_.accept("return")) {
      if (scan_.accept("tie")) {
        const ValueId from = known(names);
        scan_.expect("->");
        ties.emplace_back(from, known(names));
      } else {
        statement(g, names);
      }
    }
    if (scan_.at("%")) do
        g.outputs.push_back(known(names));
      while (scan_.accept(","));
    for (const auto& [from, to] : ties) g.ties.push_back({index_of(g.outputs, from), index_of(g.inputs, to)});
  }

  int index_of(const std::vector<ValueId>& list, ValueId v) {
    const auto found = std::find(list.begin(), list.end(), v);
    if (found == list.end()) scan_.fail("ties from an output to an input");
    return static_cast<int>(found - list.begin());
  }

  void define(Graph& g, Names& names, const std::string& name, ValueId v) {
    if (!names.emplace(name, v).second) scan_.fail("a new name instead of %" + name);
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); })) g.values[v].name = name;
  }

  ValueId known(const Names& names) {
    const std::string n = scan_.name();
    const auto found = names.find(n);
    if (found == names.end()) scan_.fail("a value that is defined above, which %" + n + " is not,");
    return found->second;
  }

  struct Result {
    std::string name;  // empty where omitted
    std::optional<Type> type;
  };

  void statement(Graph& g, Names& names) {
    std::vector<Result> results;
    do {
      Result r;
      if (!scan_.accept("_")) {
        r.name = scan_.name();
        if (scan_.accept(":")) r.type = type();
      }
      results.push_back(std::move(r));
    } while (scan_.accept(","));
    scan_.expect("=");
    if (scan_.accept("constant")) {
      const ValueId v = constant(g, type());
      return define(g, names, results[0].name, v);
    }
    node(g, names, results);
  }

  void node(Graph& g, Names& names, std::vector<Result>& results) {
    const std::string called = scan_.word("an op");
    const Op* op = op_named(called);
    if (!op) scan_.fail("an op instead of " + called);
    Node n;
    n.op = op;
    n.attributes = op->attributes();
    scan_.expect("(");
    while (!scan_.accept(")")) {
      n.inputs.push_back(argument(g, names));
      if (!scan_.at(")")) scan_.expect(",");
    }
    if (scan_.at("{")) attributes(n);
    if (scan_.accept("then")) {
      n.epilogue = program();
      // Every value of a program is read, so the highest number read tells how many operands there are.
      int16_t highest = 0;
      for (const Scalar& row : n.epilogue.rows)
        for (int16_t operand : row.operand) highest = std::max(highest, operand);
      n.epilogue.operands = highest + 2 - static_cast<int>(n.epilogue.rows.size());
    }
    if (const std::string wrong = breach_of_programs(n); !wrong.empty()) throw Error(Code::bad_model, "%" + results[0].name + ": " + wrong);
    while (scan_.at("graph")) {
      n.subgraphs.push_back(std::make_shared<Graph>(g, ""));
      body(*n.subgraphs.back());
    }
    for (const Result& r : results) n.outputs.push_back(r.name.empty() ? kNone : g.add_value({}));
    const std::vector<ValueId> outputs = n.outputs;
    g.nodes.push_back(std::move(n));
    within([&] { return "%" + results[0].name; }, [&] { infer(g, static_cast<NodeId>(g.nodes.size() - 1)); });
    for (size_t i = 0; i < results.size(); ++i) {
      if (outputs[i] == kNone) continue;
      if (results[i].type) annotate(g, outputs[i], results[i]);
      define(g, names, results[i].name, outputs[i]);
    }
  }

  void attributes(Node& n) {
    if (n.op == &ops::pointwise) {
      scan_.expect("{");
      Program p = program();
      p.operands = static_cast<int>(n.inputs.size());
      n.attributes = Pointwise{std::move(p)};
      return scan_.expect("}");
    }
    FieldReader reader(scan_);
    n.attributes.visit(reader);
    reader.finish(*n.op);
  }

  Program program() {
    Program p;
    do {
      const std::string called = scan_.word("a scalar function");
      const Op* op = op_named(called);
      if (!op || op->function == kNoFunction) scan_.fail("a scalar function instead of " + called);
      Scalar row{static_cast<Function>(op->function)};
      scan_.expect("(");
      for (int i = 0; i < info(row.function).arity; ++i) {
        if (i) scan_.expect(",");
        row.operand[i] = static_cast<int16_t>(scan_.integer());
      }
      scan_.expect(")");
      p.rows.push_back(row);
    } while (scan_.accept(";"));
    return p;
  }

  // Inference must agree; storage is taken from the text. A size that data decide keeps the name it has here.
  void annotate(Graph& g, ValueId v, const Result& r) {
    const Type& said = *r.type;
    Type& found = g.values[v].type;
    bool same = said.expressed() == found.expressed() && said.container == found.container && said.shape.rank() == found.shape.rank();
    for (int i = 0; same && i < said.shape.rank(); ++i) {
      for (auto& [name, dim] : open_)
        if (dim == said.shape[i]) dim = found.shape[i];
      same = said.shape[i] == found.shape[i] || (!found.shape[i].known() && depends_on_data(found.shape[i]));
    }
    if (!same) scan_.fail("the type " + text(found, *g.extents) + " for %" + r.name);
    found.dtype = said.dtype;
    found.layout = said.layout;
    found.quantisation = said.quantisation;
  }

  bool depends_on_data(Dim d) const {
    if (d.known()) return false;
    if (extents_->is_data(d.row())) return true;
    if (extents_->is_symbol(d.row())) return false;
    const std::vector<int32_t> parts = extents_->parts(d.row());
    return std::any_of(parts.begin(), parts.end(), [&](int32_t row) { return depends_on_data(Dim::of_row(row)); });
  }

  ValueId argument(Graph& g, const Names& names) {
    if (scan_.accept("_")) return kNone;
    if (scan_.at("%")) return known(names);
    Type t;
    t.dtype = dtype();
    if (scan_.at("[")) t.shape = shape();
    return constant(g, std::move(t));
  }

  // ---- types

  DType dtype() {
    const std::string word = scan_.word("an element type");
    const DType t = dtype_named(word);
    if (t == DType::none) scan_.fail("an element type instead of " + word);
    return t;
  }

  Type type() {
    Type t;
    if (scan_.accept("sequence")) return contained(Container::sequence);
    if (scan_.accept("optional")) return contained(Container::optional);
    if (scan_.accept("map")) return map();
    t.dtype = dtype();
    if (scan_.at(")")) t.items = Items::any;
    else if (scan_.accept("empty")) t.items = Items::none;
    else t.shape = shape();
    if (scan_.accept("blocked")) {
      scan_.expect("(");
      t.layout.axis = static_cast<int8_t>(scan_.integer());
      scan_.expect(",");
      t.layout.block = static_cast<int16_t>(scan_.integer());
      scan_.expect(")");
    }
    if (scan_.accept("room")) {
      t.layout.room = shape();
      scan_.expect("at");
      t.layout.offset = extent();
    }
    if (scan_.accept("scale")) t.quantisation = quantisation();
    return t;
  }

  Type map() {
    scan_.expect("(");
    const DType key = dtype();
    scan_.expect(",");
    Type t;
    t.dtype = dtype();
    t.key = key, t.container = Container::map, t.items = Items::any;
    scan_.expect(")");
    return t;
  }

  Type contained(Container outer) {
    scan_.expect("(");
    Type t = type();
    scan_.expect(")");
    if (t.container == Container::map && outer == Container::sequence) {
      t.container = Container::map_sequence;
      return t;
    }
    if (t.container != Container::tensor && !(t.container == Container::sequence && outer == Container::optional))
      scan_.fail("a tensor, a sequence in an optional, or a map in a sequence,");
    t.container = t.container == Container::sequence ? Container::optional_sequence : outer;
    return t;
  }

  std::shared_ptr<const Quantisation> quantisation() {
    auto q = std::make_shared<Quantisation>();
    q->scale = list<float>([&] { return static_cast<float>(scan_.real()); });
    scan_.expect("zero");
    q->zero = list<int32_t>([&] { return static_cast<int32_t>(scan_.integer()); });
    if (q->zero.size() != q->scale.size()) scan_.fail("as many zero points as scales");
    if (scan_.accept("axis")) q->axis = static_cast<int>(scan_.integer());
    if (scan_.accept("as")) q->expressed = dtype();
    return q;
  }

  // One value, or several in brackets.
  template <class T, class F>
  std::vector<T> list(F read) {
    std::vector<T> out;
    if (!scan_.accept("[")) return {read()};
    while (!scan_.accept("]")) {
      out.push_back(read());
      if (!scan_.at("]")) scan_.expect(",");
    }
    return out;
  }

  Shape shape() {
    scan_.expect("[");
    Shape s;
    while (!scan_.accept("]")) {
      s.push(extent());
      if (!scan_.at("]")) scan_.expect(",");
    }
    return s;
  }

  // A sum of products of numbers, symbols and functions.
  Dim extent() {
    Dim sum = scan_.accept("-") ? extents_->mul(product(), -1) : product();
    for (;;) {
      if (scan_.accept("+")) sum = extents_->add(sum, product());
      else if (scan_.accept("-")) sum = extents_->sub(sum, product());
      else return sum;
    }
  }

  Dim product() {
    Dim d = factor();
    while (scan_.accept("*")) d = extents_->mul(d, factor());
    return d;
  }

  Dim factor() {
    if (scan_.at_digit()) return scan_.integer();
    if (scan_.accept("?")) {
      const std::string n = scan_.word("the number of a size that data decide");
      if (!open_.count(n)) open_[n] = extents_->data(-1);
      return open_[n];
    }
    const std::string n = scan_.at("\"") ? scan_.quoted() : scan_.word("a size");
    if (!scan_.accept("(")) return extents_->symbol(n);
    static const std::map<std::string, Dim (Extents::*)(Dim, Dim)> functions = {
        {"floor", &Extents::floor_div}, {"mod", &Extents::mod}, {"min", &Extents::min}, {"max", &Extents::max}, {"broadcast", &Extents::broadcast}};
    const auto f = functions.find(n);
    if (f == functions.end()) scan_.fail("floor, mod, min, max or broadcast");
    const Dim a = extent();
    scan_.expect(",");
    const Dim b = extent();
    scan_.expect(")");
    return (extents_->*f->second)(a, b);
  }

  // ---- constants

  ValueId constant(Graph& g, Type t) {
    if (!t.shape.known()) scan_.fail("a shape of numbers for a constant");
    int64_t n = 1;
    for (Dim d : t.shape) n *= d.number();
    if (n > kMostElements) scan_.fail("a constant of at most " + std::to_string(kMostElements) + " elements");
    if (t.dtype == DType::string) return strings(g, std::move(t), n);
    std::vector<char> storage(static_cast<size_t>(storage_bytes(t.dtype, n)));
    if (is_complex(t.dtype)) n *= 2;
    if (scan_.accept("random")) {
      uint64_t state = static_cast<uint64_t>(scan_.integer());
      for (int64_t i = 0; i < n; ++i) store_cell(t.dtype, storage.data(), i, drawn(t.dtype, state), true);
      return g.add_constant("", std::move(t), storage.data());
    }
    const bool bracketed = scan_.accept("[");
    for (int64_t i = 0; i < n; ++i) {
      if (i) scan_.expect(",");
      store_cell(t.dtype, storage.data(), i, cell(t.dtype), true);
    }
    if (bracketed) scan_.expect("]");
    return g.add_constant("", std::move(t), storage.data());
  }

  ValueId strings(Graph& g, Type t, int64_t n) {
    auto words = std::make_shared<std::vector<std::string>>(list<std::string>([&] { return scan_.quoted(); }));
    if (static_cast<int64_t>(words->size()) != n) scan_.fail(std::to_string(n) + " strings");
    return g.add_constant("", std::move(t), Constant{nullptr, 0, 0, std::move(words)});
  }

  Cell cell(DType t) {
    if (t == DType::boolean) {
      const bool yes = scan_.accept("true");
      if (!yes) scan_.expect("false");
      return {.integer = yes};
    }
    if (is_real(t) || is_complex(t)) return {.real = scan_.real()};
    return {.integer = scan_.integer()};
  }

  static Cell drawn(DType t, uint64_t& state) {
    state += 0x9e3779b97f4a7c15;  // splitmix64
    uint64_t x = state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    x ^= x >> 31;
    if (is_real(t) || is_complex(t)) return {.real = static_cast<double>(x >> 11) * 0x1p-52 - 1};
    if (t == DType::boolean) return {.integer = static_cast<int64_t>(x & 1)};
    return {.integer =
                is_unsigned(t) ? std::min<int64_t>(x % 16, bits(t) < 4 ? 3 : 15) : std::max<int64_t>(static_cast<int64_t>(x % 16) - 8, lowest(t))};
  }

  static constexpr int64_t kMostElements = int64_t{1} << 24;

  Scanner scan_;
  Extents* extents_ = nullptr;
  std::map<std::string, Dim> open_;
};

}  // namespace

Graph parse_graph(std::string_view text) { return Parser(text).whole(); }

}  // namespace tenon
