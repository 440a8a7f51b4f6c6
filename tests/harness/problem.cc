#include "harness/problem.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>

#include "device/cpu.h"
#include "harness/expected.h"
#include "harness/memory.h"
#include "ir/text.h"
#include "kernels/cpu/tables.h"
#include "plan/operand.h"
#include "plan/select.h"

namespace tenon {

uint64_t Random::next() {  // splitmix64
  uint64_t z = state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
int64_t Random::in(int64_t low, int64_t high) { return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1)); }
double Random::real(double low, double high) { return low + (high - low) * static_cast<double>(next() >> 11) * 0x1p-53; }

Source of(DType dtype, const std::vector<int64_t>& shape, double low, double high) {
  Source s;
  s.type.dtype = dtype;
  for (int64_t d : shape) s.type.shape.push(d);
  s.low = low, s.high = high;
  return s;
}
Source f32(const std::vector<int64_t>& shape, double low, double high) { return of(DType::f32, shape, low, high); }
Source quantised(DType dtype, const std::vector<int64_t>& shape, std::vector<float> scales, std::vector<int32_t> zeros, int axis) {
  Source s = of(dtype, shape, static_cast<double>(lowest(dtype)), static_cast<double>(highest(dtype)));
  zeros.resize(scales.size());
  s.type.quantisation = std::make_shared<Quantisation>(Quantisation{std::move(scales), std::move(zeros), axis});
  return s;
}
Source u8(const std::vector<int64_t>& shape, float scale, int32_t zero) { return quantised(DType::u8, shape, {scale}, {zero}, -1); }
Source s8(const std::vector<int64_t>& shape, float scale, int32_t zero) { return quantised(DType::s8, shape, {scale}, {zero}, -1); }
Source integers(const std::vector<int64_t>& values) {
  Source s = constant(of(DType::s64, {static_cast<int64_t>(values.size())}, 0, 0));
  s.values.assign(values.begin(), values.end());
  return s;
}
Source scalar(float value) {
  Source s = constant(f32({}));
  s.values = {static_cast<double>(value)};
  return s;
}
Source constant(Source s) {
  s.constant = true;
  return s;
}
Source omitted_source() { return {}; }
Scalar row(Function f, int a, int b, int c) { return {f, {static_cast<int16_t>(a), static_cast<int16_t>(b), static_cast<int16_t>(c)}}; }

namespace {

using harness::Fenced;

uint64_t first_seed() {
  const char* said = std::getenv("TENON_SEED");
  return said ? std::strtoull(said, nullptr, 10) : 1;
}
double seconds() {
  const char* said = std::getenv("TENON_SECONDS");
  return said ? std::strtod(said, nullptr) : 1;
}

// Of the test that runs.
struct Run {
  Random random{1};
  uint64_t seed = first_seed();
  std::set<const Kernel*> kernels;
  int problems = 0;
  bool reference_only = false;
};
Run current;

std::string repeating_command() {
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  return std::string("./dev test --gtest_filter=") + test.test_suite_name() + "." + test.name() + " --seed=" + std::to_string(current.seed);
}

int failures() {
  const testing::TestResult* all = testing::UnitTest::GetInstance()->current_test_info()->result();
  int n = 0;
  for (int i = 0; i < all->total_part_count(); ++i) n += all->GetTestPartResult(i).failed();
  return n;
}

class NoKernelFails : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { current = Run{}; }
  void OnTestEnd(const testing::TestInfo&) override {
    if (current.problems && current.kernels.empty() && !current.reference_only && best_isa() != Isa::reference)
      ADD_FAILURE() << "no kernel took a problem of this test; say reference_only() where that is meant";
  }
};
[[maybe_unused]] const bool kListening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new NoKernelFails);
  setenv("TENON_VERIFY", "1", 0);  // also for the programs that tests start
  return true;
}();

std::vector<int64_t> sizes_of(const Shape& s) {
  std::vector<int64_t> out;
  for (Dim d : s) out.push_back(d.number());
  return out;
}

Array drawn(const Source& s, Random& random) {
  Array a(s.type.dtype, sizes_of(s.type.shape));
  for (size_t i = 0; i < a.cells.size(); ++i) {
    if (!s.values.empty()) {
      const double v = s.values[i % s.values.size()];
      if (a.is_real()) a.cells[i].real = v;
      else a.cells[i].integer = static_cast<int64_t>(v);
    } else if (a.is_real()) {
      a.cells[i].real = random.real(s.low, s.high);
    } else {
      a.cells[i].integer = random.in(static_cast<int64_t>(s.low), static_cast<int64_t>(s.high));
    }
  }
  round_elements(a);
  return a;
}

// The problem as a graph of one node; `symbols[source][axis]` says which sizes a plan would not know.
struct Case {
  Graph graph;
  const Node& node() const { return graph.nodes[0]; }
};
using Symbols = std::vector<std::vector<bool>>;

Case make_case(const Problem& p, const std::vector<Array>& elements, const Symbols* symbols) {
  Case c;
  Graph& g = c.graph;
  const Op* op = op_named(p.op);
  TENON_ASSERT(op);
  const auto add = [&](size_t i, const Source& s) -> ValueId {
    if (s.type.dtype == DType::none) return kNone;
    const std::string name = "x" + std::to_string(i);
    if (s.constant) {
      std::vector<uint64_t> storage(static_cast<size_t>(storage_bytes(s.type.dtype, elements[i].count()) + 7) / 8 + 1);
      store(elements[i], s.type.dtype, storage.data());
      return g.add_constant(name, s.type, storage.data());
    }
    Type t = s.type;
    if (symbols)
      for (int k = 0; k < t.shape.rank(); ++k)
        if ((*symbols)[i][static_cast<size_t>(k)]) t.shape[k] = g.extents->symbol("d" + std::to_string(i) + "_" + std::to_string(k));
    return g.add_input(name, t);
  };
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < p.sources.size(); ++i) inputs.push_back(add(i, p.sources[i]));
  const std::vector<ValueId> outputs = emit(g, *op, p.attributes, inputs, p.outputs);
  g.outputs = outputs;
  if (p.stored.dtype != DType::none) {
    g.values[outputs[0]].type.dtype = p.stored.dtype;
    g.values[outputs[0]].type.quantisation = p.stored.quantisation;
  }
  if (p.after.rows.empty()) return c;
  Node& n = g.nodes[0];
  n.epilogue = Program{static_cast<int>(p.after.sources.size()) + 1, p.after.rows};
  for (size_t i = 0; i < p.after.sources.size(); ++i) {
    Source s = p.after.sources[i];
    // What is like the result has the sizes that are inferred for it.
    const Shape& result = g.value(outputs[0]).type.shape;
    if (symbols && !s.constant && s.type.shape.rank() == result.rank()) {
      Type t = s.type;
      t.shape = result;
      n.inputs.push_back(g.add_input("x" + std::to_string(p.sources.size() + i), t));
    } else {
      n.inputs.push_back(add(p.sources.size() + i, s));
    }
  }
  return c;
}

// Work for the pool done by the caller as if by several workers, in an order that nobody should rely on.
struct Crew : Context {
  Random* random;
  std::string fault_said;
};
void fork_shuffled(const Context& context, int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t, int), void* closure) {
  Random& random = *static_cast<const Crew&>(context).random;
  std::vector<int64_t> starts;
  for (int64_t i = 0; i < count; i += grain) starts.push_back(i);
  for (size_t i = starts.size(); i > 1; --i) std::swap(starts[i - 1], starts[static_cast<size_t>(random.in(0, static_cast<int64_t>(i) - 1))]);
  for (int64_t begin : starts) body(closure, begin, std::min(begin + grain, count), static_cast<int>(random.in(0, context.workers - 1)));
}
void note_fault(const Context& context, const char* what, int64_t value, int64_t bound) {
  auto& crew = const_cast<Crew&>(static_cast<const Crew&>(context));
  crew.fault_said = std::string(what) + ": " + std::to_string(value) + ", bound " + std::to_string(bound);
}

// One way to lay out the operands of a case for a kernel.
struct Variant {
  std::vector<Layout> layouts;  // of inputs, then outputs
  bool windows = false;
  std::string text;
};

class Checker {
 public:
  explicit Checker(const Problem& p) : problem_(p), random_(current.random) {
    std::vector<Source> all = p.sources;
    all.insert(all.end(), p.after.sources.begin(), p.after.sources.end());
    for (const Source& s : all) elements_.push_back(s.type.dtype == DType::none ? Array{} : drawn(s, random_));
    known_ = make_case(p, elements_, nullptr);
    Symbols symbols;
    for (const Source& s : all) {
      symbols.emplace_back();
      for (int k = 0; k < s.type.shape.rank(); ++k) symbols.back().push_back(random_.chance(0.5));
    }
    try {
      unknown_ = make_case(p, elements_, &symbols);
    } catch (const Error&) {  // a size that the op must know
    }
    if (unknown_ && !is_fused(*unknown_)) unknown_.reset();
    expected_ = harness::expected(known_.graph, known_.node(), elements_);
  }

  // Whether what is read after the op has a shape that a fused step can read.
  bool fits() const { return is_fused(known_); }

  void run() {
    ++current.problems;
    for (const Kernel* k : kernels_up_to(best_isa())) {
      if (k->op != problem_.op) continue;
      run(*k, known_, "");
      if (unknown_) run(*k, *unknown_, ", some sizes unknown while planning");
      if (failures() > failures_before) return;
    }
  }

 private:
  // Whether a plan would have this epilogue: what it reads must be seen to fit.
  static bool is_fused(const Case& c) {
    const Node& n = c.node();
    for (size_t i = static_cast<size_t>(n.own_inputs()); i < n.inputs.size(); ++i)
      if (!reads_of(c.graph.value(n.inputs[i]).type, c.graph.value(n.outputs[0]).type, *n.op)) return false;
    return true;
  }

  // A step that owns what it points to.
  struct Built {
    std::vector<Operand> operands;
    std::vector<Reads> reads;
    std::vector<Fenced> memory;
    Step step{};
  };

  Built build(Case& c, const Variant& v, const Kernel* k) {
    Built b;
    const Node& n = c.node();
    Graph& g = c.graph;
    std::vector<ValueId> values = n.inputs;
    values.insert(values.end(), n.outputs.begin(), n.outputs.end());
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] == kNone) {
        b.operands.push_back(Operand{});
        continue;
      }
      const Value& value = g.value(values[i]);
      Type t = value.type;
      t.layout = v.layouts[i];
      b.operands.push_back(operand(t, geometry(t, *g.extents), value.constant.has_value()));
      if (value.constant) b.operands.back().data = const_cast<void*>(value.constant->view());
    }
    b.step.kernel = k;
    b.step.src = b.operands.data();
    b.step.dst = b.operands.data() + n.inputs.size();
    b.step.sources = static_cast<int32_t>(n.inputs.size());
    b.step.destinations = static_cast<int32_t>(n.outputs.size());
    b.step.attributes = n.attributes.data();
    if (n.epilogue.empty()) return b;
    for (size_t i = static_cast<size_t>(n.own_inputs()); i < n.inputs.size(); ++i)
      b.reads.push_back(reads_of(g.value(n.inputs[i]).type, g.value(n.outputs[0]).type, *n.op).value());
    b.step.epilogue = {n.epilogue.rows.data(), b.reads.data(), static_cast<int16_t>(n.epilogue.rows.size()),
                       static_cast<int16_t>(n.epilogue.operands), static_cast<int16_t>(n.own_inputs())};
    return b;
  }

  // Of results whose sizes data decide.
  void decide_sizes(Built& b, const Variant& v) {
    const Node& n = known_.node();
    for (size_t i = n.inputs.size(); i < operands(); ++i) {
      if (!there(i) || type(i).shape.known()) continue;
      Type t = type(i);
      for (int k = 0; k < t.shape.rank(); ++k)
        t.shape[k] = expected_.out[i - n.inputs.size()].shape[static_cast<size_t>(k)];
      t.layout = v.layouts[i];
      b.operands[i] = operand(t, geometry(t, *known_.graph.extents), false);
    }
  }

  size_t operands() const { return known_.node().inputs.size() + known_.node().outputs.size(); }
  const Type& type(size_t i) const {
    const Node& n = known_.node();
    return known_.graph.value(i < n.inputs.size() ? n.inputs[i] : n.outputs[i - n.inputs.size()]).type;
  }
  bool there(size_t i) const {
    const Node& n = known_.node();
    return (i < n.inputs.size() ? n.inputs[i] : n.outputs[i - n.inputs.size()]) != kNone;
  }
  bool is_constant(size_t i) const { return i < known_.node().inputs.size() && known_.graph.is_constant(known_.node().inputs[i]); }
  bool is_scalar(size_t i) const {
    const Shape& s = type(i).shape;
    return (is_constant(i) || s.rank() == 0) && std::all_of(s.begin(), s.end(), [](Dim d) { return d == Dim(1); });
  }

  // Memory with spare room around the elements, as a slice or a cache is.
  Layout window(const Type& t, Layout l) {
    l.room = t.shape;
    for (int i = 0; i < t.shape.rank(); ++i) l.room[i] = t.shape[i].number() + random_.in(0, 2);
    return l;
  }

  std::vector<Variant> variants(const Needs& needs, bool windows) {
    const Node& n = known_.node();
    std::vector<Variant> out;
    const auto with = [&](Wants src, int16_t src_block, Wants dst, int16_t dst_block, std::string text) {
      Variant v{std::vector<Layout>(operands()), windows, std::move(text)};
      for (size_t i = 0; i < operands(); ++i) {
        if (!there(i)) continue;
        Layout& l = v.layouts[i];
        // What an epilogue reads like dst is laid out as dst.
        const bool own = i < static_cast<size_t>(n.own_inputs()),
                   like_dst = i == n.inputs.size() || (!own && i < n.inputs.size() && type(i).shape == type(n.inputs.size()).shape);
        const bool laid_out = (i == 0 || needs.all_sources) && !(needs.src == Wants::any && is_scalar(i));
        if (like_dst && dst == Wants::blocked) l.axis = 1, l.block = dst_block;
        if (own && laid_out && src == Wants::blocked && type(i).shape.rank() >= 2) l.axis = 1, l.block = src_block;
        if (windows && !is_constant(i)) l = window(type(i), l);
      }
      out.push_back(std::move(v));
    };
    const auto said = [](Wants w, int16_t block) { return w == Wants::blocked ? "blocked(1, " + std::to_string(block) + ")" : std::string("plain"); };
    if (problem_.src_block) {
      const auto wants = [](int16_t block) { return block > 1 ? Wants::blocked : Wants::plain; };
      with(wants(problem_.src_block), problem_.src_block, wants(problem_.dst_block), problem_.dst_block,
           said(wants(problem_.src_block), problem_.src_block) + " to " + said(wants(problem_.dst_block), problem_.dst_block));
      return out;
    }
    if (needs.src != Wants::any) {
      const Wants dst = needs.dst == Wants::any ? needs.src : needs.dst;
      with(needs.src, needs.block, dst, needs.block, said(needs.src, needs.block) + " to " + said(dst, needs.block));
      return out;
    }
    with(Wants::plain, 1, needs.dst == Wants::any ? Wants::plain : needs.dst, needs.block, "plain");
    const Type& result = type(n.inputs.size());
    for (size_t i = 0; i < static_cast<size_t>(n.own_inputs()); ++i) {
      if (!there(i) || is_scalar(i) || !(i == 0 || needs.all_sources)) continue;
      if (type(i).shape.rank() != result.shape.rank() || result.shape.rank() < 2 || type(i).shape[1] != result.shape[1]) return out;
    }
    for (int16_t block : {int16_t{4}, int16_t{8}, int16_t{16}})
      with(Wants::blocked, block, needs.dst == Wants::any ? Wants::blocked : needs.dst, needs.dst == Wants::any ? block : needs.block,
           said(Wants::blocked, block));
    return out;
  }

  void run(const Kernel& k, Case& planned, const std::string& said) {
    const Variant plain{std::vector<Layout>(operands()), false, ""};
    for (bool windows : {false, true}) {
      Variant asked = problem_.src_block ? variants({}, false)[0] : plain;
      for (size_t i = 0; windows && i < operands(); ++i)
        if (there(i) && !is_constant(i)) asked.layouts[i].room = planned_type(planned, i).shape;
      Built question = build(planned, asked, &k);
      if (k.reject(question.step)) continue;
      const Needs needs = k.needs(question.step);
      for (const Variant& v : variants(needs, windows)) {
        run(k, planned, v, needs, said + (windows ? ", in windows" : ""));
        if (failures() > failures_before) return;
      }
    }
  }
  static const Type& planned_type(Case& c, size_t i) {
    const Node& n = c.node();
    return c.graph.value(i < n.inputs.size() ? n.inputs[i] : n.outputs[i - n.inputs.size()]).type;
  }

  // Elements of memory that an operand spans.
  static int64_t span(const Operand& o) {
    int64_t last = o.block - 1;
    for (int i = 0; i < o.rank; ++i) {
      if (o.size[i] == 0) return 0;
      last += (i == o.block_axis ? (o.size[i] - 1) / o.block : o.size[i] - 1) * o.stride[i];
    }
    return last + 1;
  }
  int64_t odd_alignment(DType t) { return std::max<int64_t>(bits(t) / 8, 1) * (2 * random_.in(0, 3) + 1); }

  // Bytes that no correct element has: NaN for reals, and for all else the opposite of what is expected.
  void spoil(const Operand& o, const Array& expected) {
    if (is_real(static_cast<DType>(o.dtype)) && !o.scale) return;
    Array other = expected;
    for (Cell& c : other.cells) c.integer = other.dtype == DType::boolean ? !c.integer : ~c.integer;
    write_stored(other, o);
  }
  static void write_stored(const Array& a, Operand o) {
    o.scale = nullptr, o.zero = nullptr;
    write(a, o);
  }
  static Array read_stored(Operand o) {
    o.scale = nullptr, o.zero = nullptr;
    return read(o);
  }

  bool packs_by_rows(const Kernel& k, Step step, const Needs& needs, const Fenced& whole) {
    Fenced parts(needs.packed_bytes, 64);
    std::vector<Operand> src(step.src, step.src + step.sources);
    step.src = src.data();
    Operand& b = src[1];
    const char* first = static_cast<const char*>(b.data);
    const int64_t rows = b.size[0], row_bytes = b.stride[0] * bits(static_cast<DType>(b.dtype)) / 8;
    for (int64_t end = rows; end > 0;) {  // from the last part to the first
      const int64_t begin = random_.in(0, (end - 1) / needs.pack_grain) * needs.pack_grain;
      b.data = const_cast<char*>(first + begin * row_bytes);
      k.pack_rows(step, begin, end, parts.data());
      end = begin;
    }
    return parts.intact() && std::memcmp(parts.data(), whole.data(), static_cast<size_t>(needs.packed_bytes)) == 0;
  }

  void run(const Kernel& k, Case& planned, const Variant& v, const Needs& needs, const std::string& said) {
    current.kernels.insert(&k);
    const std::string where = std::string(k.name) + " (" + v.text + said + ")";
    Fenced packed;
    Built model = build(planned, Variant{std::vector<Layout>(operands()), false, ""}, &k);
    if (needs.packing) {
      packed = Fenced(needs.packed_bytes, 64);
      k.pack(model.step, packed.data());
      if (!packed.intact()) return fail(where + " packs beyond its packed_bytes");
      if (needs.pack_grain && !packs_by_rows(k, model.step, needs, packed)) return fail(where + " packs other bytes by rows than at once");
    }
    Array first;
    for (int pass = 0; pass < 3; ++pass) {
      Built b = build(known_, v, &k);
      decide_sizes(b, v);
      b.step.packed = packed.data();
      b.step.epilogue.reads = model.reads.data();
      const size_t sources = static_cast<size_t>(b.step.sources);
      const bool in_place = pass == 2;
      if (in_place &&
          !(needs.in_place && !v.windows && !is_constant(0) && operands() == sources + 1 && span(b.operands[0]) == span(b.operands[sources]) &&
            bits(static_cast<DType>(b.operands[0].dtype)) == bits(static_cast<DType>(b.operands[sources].dtype))))
        break;
      for (size_t i = 0; i < operands(); ++i) {
        Operand& o = b.operands[i];
        const DType t = static_cast<DType>(o.dtype);
        if (!there(i)) {
          b.memory.emplace_back();
          continue;
        }
        if (in_place && i == sources) {
          b.memory.emplace_back();
          o.data = b.operands[0].data;
          continue;
        }
        b.memory.emplace_back(storage_bytes(t, span(o)), odd_alignment(t));
        o.data = b.memory.back().data();
        if (i < sources) write_stored(elements_[i], o);
        else spoil(o, expected_.out[i - sources]);
      }
      const Needs bound = k.needs(b.step);
      const int workers = pass == 0 ? 1 : 3;
      const int64_t stride = (bound.worker_scratch_bytes + 63) / 64 * 64;
      const Fenced scratch(bound.scratch_bytes, 64), worker_scratch(stride * workers, 64);
      Crew crew{};
      crew.fork = fork_shuffled, crew.fault = note_fault, crew.random = &random_;
      crew.scratch = scratch.data(), crew.worker_scratch = worker_scratch.data(), crew.worker_stride = stride, crew.workers = workers;
      const float cost = k.cost(b.step);
      if (!(cost >= 0) || !std::isfinite(cost)) return fail(where + " costs " + std::to_string(cost));
      if (k.size) {
        k.size(b.step, crew);
        for (size_t i = sources; i < operands(); ++i)
          for (size_t axis = 0; there(i) && axis < expected_.out[i - sources].shape.size(); ++axis)
            if (b.operands[i].size[axis] != expected_.out[i - sources].shape[axis])
              return fail(where + " finds another size");
      }
      k.run(b.step, crew);
      if (!crew.fault_said.empty()) return fail(where + " refuses its sources: " + crew.fault_said);
      for (size_t i = 0; i < operands(); ++i)
        if (!b.memory[i].intact()) return fail(where + " writes outside of " + (i < sources ? "source " + std::to_string(i) : "its result"));
      if (!scratch.intact() || !worker_scratch.intact() || !packed.intact()) return fail(where + " writes outside of its scratch");
      for (size_t i = 0; i < sources && !in_place; ++i)
        if (there(i) && !same(read_stored(b.operands[i]), elements_[i])) return fail(where + " writes to source " + std::to_string(i));
      for (size_t i = sources; i < operands(); ++i) {
        if (!there(i)) continue;
        const Array got = read_stored(b.operands[i]);
        if (i == sources && pass == 0) first = got;
        compare(where, got, expected_.out[i - sources], i - sources);
        if (i == sources && pass && !same(got, first))
          fail(where + (in_place ? " in place" : " with three workers") + " gives other bits than alone");
        if (failures() > failures_before) return;
      }
    }
  }

  static bool same(const Array& a, const Array& b) {
    if (a.shape != b.shape) return false;
    for (size_t i = 0; i < a.cells.size(); ++i) {
      if (a.is_real() ? a.cells[i].real == b.cells[i].real || (std::isnan(a.cells[i].real) && std::isnan(b.cells[i].real))
                      : a.cells[i].integer == b.cells[i].integer)
        continue;
      return false;
    }
    return true;
  }

  // How far an element may be from what is expected.
  double allowed(double expected, DType dtype) const {
    const Op& op = *known_.node().op;
    const double rows = static_cast<double>(problem_.after.rows.size());
    if (expected_.exact) return 0;
    // Integers, and an integer that stands for a real: one step, where a real that was rounded decides.
    if (!is_real(dtype)) return problem_.after.rows.empty() || !type(known_.node().inputs.size()).quantisation ? 0 : 1;
    const Exactness x = problem_.exactness.value_or(op.exactness);
    const double unit = dtype == DType::f16 ? 0x1p-10 : dtype == DType::bf16 ? 0x1p-7 : dtype == DType::f64 ? 0x1p-52 : 0x1p-23;
    if (x.kind == Exactness::relative) return std::max(x.bound, unit) * expected_.range + 1e-6 * rows * expected_.range;
    const double ulp = std::max(std::abs(expected) * unit, static_cast<double>(std::numeric_limits<float>::denorm_min()));
    return x.kind == Exactness::ulp ? x.bound * ulp : 0;
  }

  void compare(const std::string& where, const Array& got, const Array& expected, size_t output) {
    if (got.shape != expected.shape) return fail(where + " gives another shape");
    for (int64_t i = 0; i < static_cast<int64_t>(got.cells.size()); ++i) {
      const double x = got.number(i), y = expected.number(i);
      if (!got.is_real() && got.integer(i) == expected.integer(i)) continue;
      if (got.is_real() && (x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= allowed(y, got.dtype))) continue;
      if (!got.is_real() && std::abs(x - y) <= allowed(y, got.dtype)) continue;
      char numbers[120];
      std::snprintf(numbers, sizeof numbers, "%.17g, expected %.17g (%.3g allowed)", x, y, allowed(y, got.dtype));
      return fail(where + " differs from the reference at element " + std::to_string(i) + " of " + std::to_string(got.count()) +
                  (output ? " of output " + std::to_string(output) : "") + ": " + numbers);
    }
  }

  void fail(const std::string& what) {
    ADD_FAILURE() << what << "\n  problem: " << text(known_.graph, known_.node()) << "\n  repeat:  " << repeating_command();
  }

  const int failures_before = failures();
  const Problem& problem_;
  Random& random_;
  std::vector<Array> elements_;  // of the sources, as stored
  Case known_;
  std::optional<Case> unknown_;
  harness::Expected expected_;
};

template <class Body>
void until_time_is_up(int least, Body body) {
  const int failures_before = failures();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < least || std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds(); ++i) {
    current.seed = first_seed() + static_cast<uint64_t>(i);
    current.random = Random(current.seed);
    body(current.random);
    if (failures() > failures_before) return;
  }
}

// The same with nothing along the first axis of src, and of what has as much there. Not where integers say which elements to take.
std::optional<Problem> emptied(const Problem& problem) {
  Problem p = problem;
  const Dim first = p.sources[0].type.shape.rank() > 1 ? p.sources[0].type.shape[0] : Dim(0);
  if (p.sources[0].constant || first == Dim(0)) return {};
  for (std::vector<Source>* all : {&p.sources, &p.after.sources})
    for (Source& s : *all) {
      if (!s.values.empty() || (is_integer(s.type.dtype) && !s.type.quantisation)) return {};
      if (!s.constant && s.type.shape.rank() && s.type.shape[0] == first) s.type.shape[0] = Dim(0);
    }
  return p;
}

// The same with a constant as source i; none where the source is one already, or is all that the op reads.
std::optional<Problem> with_constant(const Problem& problem, size_t i) {
  const auto varies = [](const Source& s) { return s.type.dtype != DType::none && !s.constant; };
  if (problem.sources.size() < 2 || !varies(problem.sources[i])) return {};
  Problem p = problem;
  p.sources[i].constant = true;
  return p;
}

void run_problem(const Problem& problem) {
  try {
    Checker(problem).run();
  } catch (const Error& e) { ADD_FAILURE() << problem.op << ": " << e.what() << "\n  seed " << current.seed; }
}

}  // namespace

void check(const Problem& problem) {
  run_problem(problem);
  for (size_t i = 0; i < problem.sources.size() && !failures(); ++i)
    if (const std::optional<Problem> p = with_constant(problem, i)) run_problem(*p);
  const std::optional<Problem> empty = emptied(problem);
  if (!empty || failures()) return;
  try {
    if (Checker checker(*empty); checker.fits()) checker.run();
  } catch (const Error&) {}  // no sizes that fit
}

void reference_only() { current.reference_only = true; }

void expect_every_kernel(std::string_view family) {
  bool found = false;
  for (const cpu::Family& f : cpu::families()) {
    if (f.name != family || !supports(f.isa) || f.isa > best_isa()) continue;
    found = true;
    for (int i = 0; i < f.table->count; ++i)
      EXPECT_TRUE(current.kernels.count(&f.table->kernels[i])) << f.table->kernels[i].name << " took no problem of this test";
  }
  EXPECT_TRUE(found || best_isa() == Isa::reference) << "there is no family " << family;
}

void sweep(const std::function<void(int64_t, Random&)>& body) {
  const int failures_before = failures();
  std::vector<int64_t> sizes(34);
  std::iota(sizes.begin(), sizes.end(), 0);
  for (int64_t n : {37, 47, 48, 49, 63, 64, 65, 97, 127, 128, 129, 257}) sizes.push_back(n);
  for (int64_t n : sizes) {
    current.random = Random(static_cast<uint64_t>(n));
    body(n, current.random);
    if (failures() > failures_before) return;
  }
  until_time_is_up(0, [&](Random& random) { body(random.in(0, random.chance(0.2) ? 600 : 80), random); });
}

void sweep(int least, const std::function<void(Random&)>& body) {
  until_time_is_up(least, [&](Random& random) {
    SCOPED_TRACE("repeat: " + repeating_command());
    body(random);
  });
}

}  // namespace tenon
