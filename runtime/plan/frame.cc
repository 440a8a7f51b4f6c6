#include "plan/frame.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace tenon {
namespace {

constexpr int64_t kLine = Buffer::kAlignment;

int64_t aligned(int64_t n) { return (n + kLine - 1) / kLine * kLine; }

// What grows again and again gets more than it asks for, up to `most`.
int64_t with_slack(int64_t bytes, int64_t old, int64_t most) { return std::max(bytes, std::min(old ? bytes + bytes / 2 : bytes, most)); }

void grow(Buffer& b, int64_t bytes, int64_t most, BindCounters& counters) {
  if (b.bytes() >= bytes && b.data()) return;
  const int64_t wanted = with_slack(bytes, b.bytes(), most);
  b = Buffer(0);
  b = Buffer(std::max(wanted, kLine));
  ++counters.grown;
}

}  // namespace

Frame::Frame(std::shared_ptr<const Plan> plan, int64_t memory_limit) : plan_(std::move(plan)), memory_limit_(memory_limit) {
  const Extents& e = *plan_->graph.extents;
  values_.assign(static_cast<size_t>(e.rows()), 0);
  seen_ = values_;
  ranges_.assign(values_.size(), {0, 0});
  set_.assign(values_.size(), 0);
  by_data_ = lent_ = set_;
  for (int32_t row = 0; row < e.rows(); ++row) {
    by_data_[row] = e.is_data(row);
    for (int32_t part : e.parts(row)) by_data_[row] |= by_data_[part];
    if (e.is_data(row)) values_[row] = 1, data_rows_.push_back(row);
  }
  for (const PlannedOperand& o : plan_->operands) operands_.push_back(o.model);
  for (const PlannedOperand& o : plan_->inputs) inputs_.push_back(o.model);
  for (const PlannedOperand& o : plan_->outputs) outputs_.push_back(o.model);
  for (const PlannedStep& p : plan_->steps) {
    const Node& node = plan_->graph.nodes[p.node];
    Step s{};
    s.kernel = p.kernels.empty() ? nullptr : p.kernels[0];
    s.src = operands_.data() + p.first_operand;
    s.dst = s.src + p.sources;
    s.sources = p.sources;
    s.destinations = p.destinations;
    s.attributes = node.attributes.data();
    s.packed = p.packed;
    if (!node.epilogue.empty())
      s.epilogue = {node.epilogue.rows.data(), p.reads.data(), static_cast<int16_t>(node.epilogue.rows.size()),
                    static_cast<int16_t>(node.epilogue.operands), static_cast<int16_t>(node.own_inputs())};
    steps_.push_back(s);
  }
  for (const ContentPlan& c : plan_->contents)
    contents_.emplace_back(std::max<int64_t>(storage_bytes(c.dtype, static_cast<int64_t>(c.elements.size())), 1));
  size_.assign(plan_->buffers.size(), 0);
  laid_ = offset_ = size_;
  for (size_t i = 0; i < size_.size(); ++i)
    if (plan_->buffers[i].bytes.known()) size_[i] = plan_->buffers[i].bytes.number();
  late_.resize(plan_->buffers.size());
  late_strings_.resize(plan_->buffers.size());
  late_arrays_.resize(plan_->buffers.size());
  own_outputs_.resize(plan_->outputs.size());
  output_arrays_.resize(plan_->outputs.size());
  output_strings_.resize(plan_->outputs.size());
  input_data_.resize(plan_->inputs.size());
  given_.resize(plan_->outputs.size());
  in_input_.resize(plan_->inputs.size());
  in_output_.resize(plan_->outputs.size());
  in_arena_.resize(plan_->buffers.size());
  in_late_.resize(plan_->buffers.size());
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Place& p = plan_->operands[i].place;
    const auto note = [&](Operands& list) { list[static_cast<size_t>(p.index)].push_back(static_cast<int32_t>(i)); };
    switch (p.kind) {
      case Place::none: break;
      case Place::constant: operands_[i].data = const_cast<void*>(plan_->constants[p.index]); break;
      case Place::content: operands_[i].data = contents_[p.index].data(); break;
      case Place::arena: note(in_arena_); break;
      case Place::late: note(in_late_); break;
      case Place::input: note(in_input_); break;
      case Place::output: note(in_output_); break;
    }
  }
}

void Frame::point(const Operands& list, int32_t index, void* data) {
  for (int32_t i : list[static_cast<size_t>(index)]) operands_[static_cast<size_t>(i)].data = data;
}

void Frame::set_value(int32_t row, int64_t value) {
  lent_[row] = true;
  if (set_[row] && values_[row] == value) return;
  set_[row] = true;
  values_[row] = value;
  ranges_[row] = {value, value};
  changed_.push_back(row);
}

namespace {

// What keeps an Array from being a map (or a sequence of maps) of the type; empty where nothing does.
std::string wrong_map(const Array& given, const Type& type) {
  if (type.container == Container::map_sequence) {
    for (const Array& item : given.items) {
      Type one = type;
      one.container = Container::map;
      if (item.container != Container::map) return "an item is no map";
      if (std::string wrong = wrong_map(item, one); !wrong.empty()) return wrong;
    }
    return {};
  }
  if (given.items.size() != 2)
    return "a map has a list of keys and a list of values, given " + std::to_string(given.items.size()) + " items";
  const Array &keys = given.items[0], &values = given.items[1];
  for (const Array* list : {&keys, &values})
    if (list->container != Container::tensor || list->rank() != 1) return "the keys and the values of a map are lists";
  if (keys.dtype != type.key) return "the keys are " + std::string(name(keys.dtype)) + ", not " + std::string(name(type.key));
  if (values.dtype != type.dtype) return "the values are " + std::string(name(values.dtype)) + ", not " + std::string(name(type.dtype));
  if (keys.count() != values.count())
    return std::to_string(keys.count()) + " keys and " + std::to_string(values.count()) + " values";
  return {};
}

}  // namespace

void Frame::unify(int index, Container kind, DType dtype, const int64_t* shape, int rank, const void* data) {
  const Value& v = plan_->graph.values[plan_->graph.inputs[index]];
  const Extents& e = *plan_->graph.extents;
  const auto mismatch = [&](const std::string& what) {
    ++run_;
    const std::string given = kind == Container::tensor ? text(Tensor{dtype, {shape, shape + rank}, nullptr})
                                                        : "a list of " + std::to_string(static_cast<const Array*>(data)->items.size());
    throw Error(Code::bad_input, what).within("input \"" + printable(v.name) + "\" is " + text(v.type, e) + ", given " + given);
  };
  if (dtype != v.type.dtype) mismatch("the element type is " + std::string(name(dtype)) + ", not " + std::string(name(v.type.dtype)));
  if (kind != v.type.container) mismatch("one is of another kind than the other");
  if (kind != Container::tensor) {
    const Array& given = *static_cast<const Array*>(data);
    if (kind == Container::map || kind == Container::map_sequence) {
      if (const std::string wrong = wrong_map(given, v.type); !wrong.empty()) mismatch(wrong);
      return;
    }
    const Array& list = kind == Container::optional_sequence && !given.items.empty() ? given.items[0] : given;
    for (const Array& item : list.items) {
      bool fits = v.type.items == Items::any || item.rank() == v.type.shape.rank() || item.container != Container::tensor;
      for (int i = 0; fits && v.type.items == Items::shaped && i < item.rank(); ++i)
        fits = !v.type.shape[i].known() || v.type.shape[i].number() == item.shape[static_cast<size_t>(i)];
      if (!fits) mismatch("an item has another shape");
    }
    return;
  }
  if (rank != v.type.shape.rank()) mismatch("the rank is " + std::to_string(rank) + ", not " + std::to_string(v.type.shape.rank()));
  for (int i = 0; i < rank; ++i) {
    const Dim d = v.type.shape[i];
    const int64_t given = shape[i];
    if (given < 0 || given > (int64_t{1} << 48)) mismatch("axis " + std::to_string(i) + ": a size of " + std::to_string(given));
    if (d.known()) {
      if (d.number() != given) mismatch("axis " + std::to_string(i) + ": " + std::to_string(given) + ", not " + std::to_string(d.number()));
      continue;
    }
    // Of a body that runs repeatedly.
    if (e.is_data(d.row())) set_value(d.row(), given);
    if (!e.is_symbol(d.row())) continue;  // an expression: compared by bind when its symbols are there
    if (seen_[d.row()] == run_ && values_[d.row()] != given)
      mismatch("axis " + std::to_string(i) + ": " + e.text(d) + " = " + std::to_string(given) + ", but another input gives " +
               std::to_string(values_[d.row()]));
    seen_[d.row()] = run_;
    set_value(d.row(), given);
  }
}

void Frame::set_input(int index, Container container, DType dtype, const int64_t* shape, int rank, void* data) {
  unify(index, container, dtype, shape, rank, data);
  if (input_data_[index] == data) return;
  input_data_[index] = data;
  point(in_input_, index, data);
}

void Frame::set_output(int index, void* data, int64_t bytes) {
  if (given_[index].data == data && given_[index].bytes == bytes) return;
  given_[index] = {data, bytes};
  stale_outputs_.push_back(index);
}

Buffer Frame::swap_output(int index, Buffer other) {
  std::swap(own_outputs_[index], other);
  stale_outputs_.push_back(index);
  return other;
}

const Delta& Frame::delta(const std::vector<int32_t>& changed) {
  if (const auto found = deltas_.find(changed); found != deltas_.end()) return *found->second;
  ++counters_.deltas;
  auto made = std::make_unique<Delta>();
  Delta& d = *made;
  const Extents& e = *plan_->graph.extents;
  std::vector<bool> touched(values_.size()), range_touched(values_.size());
  for (int32_t row : changed) touched[row] = range_touched[row] = true;
  for (int32_t row = 0; row < e.rows(); ++row) {
    for (int32_t part : e.parts(row)) {
      if (part == row) continue;
      if (e.is_data(row)) range_touched[row] = range_touched[row] || range_touched[part];
      else touched[row] = touched[row] || touched[part], range_touched[row] = range_touched[row] || range_touched[part];
    }
    if (touched[row] && !e.is_symbol(row) && !e.is_data(row)) d.rows.push_back(row);
    if (plan_->has_data_sizes && range_touched[row] && !e.is_symbol(row)) d.range_rows.push_back(row);
  }
  const auto depends = [&](Dim x) { return !x.known() && touched[x.row()]; };
  const auto patch = [&](Operand& o, const PlannedOperand& p) {
    bool any = false;
    for (int i = 0; i < p.geometry.size.rank(); ++i) {
      if (depends(p.geometry.size[i])) d.patches.push_back({&o.size[i], p.geometry.size[i].row()}), any = true;
      if (depends(p.geometry.stride[i])) d.patches.push_back({&o.stride[i], p.geometry.stride[i].row()}), any = true;
    }
    return any || depends(p.geometry.elements);
  };
  for (size_t i = 0; i < operands_.size(); ++i) patch(operands_[i], plan_->operands[i]);
  for (size_t i = 0; i < inputs_.size(); ++i) patch(inputs_[i], plan_->inputs[i]);
  for (size_t i = 0; i < outputs_.size(); ++i)
    if (patch(outputs_[i], plan_->outputs[i])) d.outputs.push_back(static_cast<int32_t>(i));
  for (size_t i = 0; i < plan_->contents.size(); ++i) {
    const std::vector<Dim>& elements = plan_->contents[i].elements;
    for (size_t k = 0; k < elements.size(); ++k)
      if (depends(elements[k])) d.elements.push_back({static_cast<int32_t>(i), static_cast<int32_t>(k), elements[k].row()});
  }
  for (size_t i = 0; i < plan_->buffers.size(); ++i) {
    const Dim b = plan_->buffers[i].bytes;
    if (!b.known() && !plan_->buffers[i].late && (touched[b.row()] || range_touched[b.row()])) d.buffers.push_back(static_cast<int32_t>(i));
  }
  const std::vector<Guard>& guards = *plan_->graph.guards;
  for (size_t i = 0; i < guards.size(); ++i)
    if (depends(guards[i].a) || depends(guards[i].b)) d.guards.push_back(static_cast<int32_t>(i));
  for (size_t i = 0; i < plan_->steps.size(); ++i) {
    const PlannedStep& s = plan_->steps[i];
    if (s.kernels.empty()) continue;
    bool any = false;
    for (int k = 0; k < s.sources + s.destinations; ++k)
      for (Dim x : plan_->operands[s.first_operand + k].geometry.size) any |= depends(x);
    if (any) d.steps.push_back(static_cast<int32_t>(i));
  }
  return *deltas_.emplace(changed, std::move(made)).first->second;
}

void Frame::check(const Guard& g) const {
  const Extents& e = *plan_->graph.extents;
  const int64_t a = value(g.a), b = value(g.b);
  const bool holds = g.kind == Guard::equal ? a == b : g.kind == Guard::at_least ? a >= b : a == b || a == 1 || b == 1;
  if (holds) return;
  Error error(Code::bad_input, g.sentence + ": " + e.text(g.a) + " = " + std::to_string(a) + ", " + e.text(g.b) + " = " + std::to_string(b));
  throw g.place.empty() ? error : error.within(g.place);
}

bool Frame::decided(Dim d, bool running) const {
  const Extents& e = *plan_->graph.extents;
  if (d.known() || !by_data_[d.row()]) return true;
  std::vector<int32_t> open{d.row()};
  while (!open.empty()) {
    const int32_t row = open.back();
    open.pop_back();
    if (e.is_data(row) && !(running ? set_[row] : lent_[row])) return false;
    for (int32_t part : e.parts(row))
      if (part != row) open.push_back(part);
  }
  return true;
}

// The kernel of a step at its sizes, and the scratch it needs.
void Frame::choose(int32_t i) {
  const std::vector<const Kernel*>& kernels = plan_->steps[i].kernels;
  Step& s = steps_[i];
  if (kernels.size() > 1) {
    float least = 0;
    const Kernel* best = nullptr;
    for (const Kernel* k : kernels)
      if (const float cost = k->cost(s); !best || cost < least) best = k, least = cost;
    s.kernel = best;
  }
  const Needs n = s.kernel->needs(s);
  shared_scratch_ = std::max(shared_scratch_, aligned(n.scratch_bytes));
  worker_scratch_ = std::max(worker_scratch_, aligned(n.worker_scratch_bytes));
}

void Frame::apply(const Delta& d, bool running) {
  const Extents& e = *plan_->graph.extents;
  for (int32_t row : d.rows) {
    if (running || !by_data_[row]) {
      values_[row] = e.evaluate(row, values_.data());
      continue;
    }
    // Computed again when its data are there; until then any number will do.
    try {
      values_[row] = e.evaluate(row, values_.data());
    } catch (const Error&) { values_[row] = 0; }
  }
  if (!running)
    for (int32_t row : d.range_rows)
      if (!lent_[row]) ranges_[row] = e.evaluate(row, ranges_.data());
  // Guards over sizes that data decide hold only once those are there.
  for (int32_t i : d.guards) {
    const Guard& g = (*plan_->graph.guards)[i];
    const bool early = (!g.a.known() && by_data_[g.a.row()]) || (!g.b.known() && by_data_[g.b.row()]);
    if (!early || (decided(g.a, running) && decided(g.b, running))) check(g);
  }
  for (const Delta::Patch& p : d.patches) {
    if (values_[p.row] < 0 && (running || decided(Dim::of_row(p.row), false)))
      throw Error(Code::bad_input,
                  "the inputs are too small: a size of " + e.text(Dim::of_row(p.row)) + " would be " + std::to_string(values_[p.row]));
    *p.to = values_[p.row];
  }
  for (const Delta::Element& x : d.elements)
    store_cell(plan_->contents[x.content].dtype, contents_[x.content].data(), x.index, {.integer = values_[x.row]});
  for (int32_t s : d.steps) choose(s);
  if (running) return fit();
  for (int32_t b : d.buffers) {
    const Dim bytes = plan_->buffers[b].bytes;
    size_[b] = plan_->has_data_sizes ? ranges_[bytes.row()].high : values_[bytes.row()];
    grown_ |= size_[b] > laid_[b];
  }
}

// Memory for what the sizes need now. Buffers stay where they are while they fit, so that a size that grows by one moves nothing.
void Frame::fit() {
  if (!laid_once_ || grown_) lay_out(!laid_once_);
  const int64_t scratch = shared_scratch_ + worker_scratch_ * plan_->options.workers;
  if (scratch > memory_limit_ - arena_.bytes())
    throw Error(Code::limit, "these inputs need " + std::to_string(arena_.bytes() + scratch) + " bytes of working memory, more than the limit of " +
                                 std::to_string(memory_limit_) + " (option memory_limit)");
  grow(scratch_, scratch, memory_limit_ - arena_.bytes(), counters_);
}

void Frame::lay_out(bool exact) {
  int64_t end = 0;
  for (size_t i = 0; i < plan_->buffers.size(); ++i) {
    const BufferPlan& b = plan_->buffers[i];
    if (b.late) continue;
    if (exact) laid_[i] = size_[i];
    else if (size_[i] > laid_[i]) laid_[i] = with_slack(size_[i], laid_[i], memory_limit_);
    int64_t at = 0;
    for (int32_t below : b.above) at = std::max(at, offset_[below] + aligned(laid_[below]));
    offset_[i] = at;
    end = std::max(end, at + aligned(laid_[i]));
  }
  if (end > memory_limit_) {
    if (!exact) return lay_out(true);
    throw Error(Code::limit, "these inputs need " + std::to_string(end) + " bytes of working memory, more than the limit of " +
                                 std::to_string(memory_limit_) + " (option memory_limit)");
  }
  grow(arena_, end, end, counters_);
  for (size_t i = 0; i < plan_->buffers.size(); ++i)
    if (!plan_->buffers[i].late) point(in_arena_, static_cast<int32_t>(i), arena_.data() + offset_[i]);
  laid_once_ = true;
  grown_ = false;
}

// Of an operand, the room included in which it lies.
int64_t Frame::bytes_of(const PlannedOperand& planned, const Operand& o) const {
  return o.dense ? bytes(o) : storage_bytes(static_cast<DType>(o.dtype), value(planned.geometry.elements));
}

// Whether data decide how large it is.
bool Frame::is_open(const PlannedOperand& planned) const {
  for (Dim d : planned.geometry.size)
    if (!d.known() && by_data_[d.row()]) return true;
  return false;
}

void Frame::place_output(int i) {
  const PlannedOperand& planned = plan_->outputs[i];
  const Value& v = plan_->graph.values[planned.value];
  Operand& o = outputs_[i];
  if (v.type.dtype == DType::string || v.type.container != Container::tensor || is_open(planned)) return;
  const int64_t need = bytes_of(planned, o);
  if (given_[i].data) {
    if (given_[i].bytes < need)
      throw Error(Code::bad_input, "the memory lent holds " + std::to_string(given_[i].bytes) + " bytes, the result has " + std::to_string(need))
          .within("output \"" + printable(v.name) + "\"");
    o.data = given_[i].data;
  } else {
    grow(own_outputs_[i], need, memory_limit_, counters_);
    o.data = own_outputs_[i].data();
  }
  point(in_output_, i, o.data);
}

// Throws Error(internal) where a symbol that sizes are made of has no value.
void Frame::expect_symbols() const {
  const Extents& e = *plan_->graph.extents;
  std::set<int32_t> needed;
  for (const std::vector<PlannedOperand>* list : {&plan_->operands, &plan_->inputs, &plan_->outputs})
    for (const PlannedOperand& o : *list)
      for (Dim d : o.geometry.size) e.add_atoms(d, needed);
  for (const ContentPlan& c : plan_->contents)
    for (Dim d : c.elements) e.add_atoms(d, needed);
  for (int32_t row : needed)
    if (e.is_symbol(row) && !set_[row]) throw Error(Code::internal, "no input gives the size " + e.text(Dim::of_row(row)));
}

void Frame::bind() {
  ++run_;
  const Extents& e = *plan_->graph.extents;
  const bool first = !bound_once_;
  if (first) {
    expect_symbols();
    for (const Guard& g : *plan_->graph.guards)
      if (g.a.known() && g.b.known()) check(g);
    // Every symbol counts as changed.
    changed_ = e.symbols();
    changed_.insert(changed_.end(), data_rows_.begin(), data_rows_.end());
  }
  if (!changed_.empty() || first) {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    counters_.binds += !changed_.empty();
    const Delta& d = delta(changed_);
    changed_.clear();
    bound_once_ = false;  // until all of it has held
    apply(d, false);
    if (first) {
      for (size_t i = 0; i < plan_->contents.size(); ++i)
        for (size_t k = 0; k < plan_->contents[i].elements.size(); ++k)
          store_cell(plan_->contents[i].dtype, contents_[i].data(), static_cast<int64_t>(k), {.integer = value(plan_->contents[i].elements[k])});
      for (size_t i = 0; i < steps_.size(); ++i)
        if (steps_[i].kernel) choose(static_cast<int32_t>(i));
    }
    fit();
    if (first)
      for (size_t i = 0; i < outputs_.size(); ++i) place_output(static_cast<int>(i));
    else
      for (int32_t i : d.outputs) place_output(i);
  }
  for (int32_t i : stale_outputs_) place_output(i);
  stale_outputs_.clear();
  bound_once_ = true;
  for (int32_t row : data_rows_)
    if (!lent_[row]) set_[row] = false;
}

void Frame::decide(const PlannedOperand& o, const int64_t* size) {
  const Extents& e = *plan_->graph.extents;
  const Shape& shape = plan_->graph.values[o.value].type.shape;
  decided_.clear();
  for (int i = 0; i < shape.rank(); ++i) {
    const Dim d = shape[i];
    if (d.known() || !e.is_data(d.row())) continue;
    if (values_[d.row()] == size[i] && set_[d.row()]) continue;
    if (size[i] > ranges_[d.row()].high)
      throw Error(Code::internal,
                  "the size " + e.text(d) + " is " + std::to_string(size[i]) + ", more than its bound of " + std::to_string(ranges_[d.row()].high));
    set_[d.row()] = true;
    values_[d.row()] = size[i];
    decided_.push_back(d.row());
  }
  if (decided_.empty()) return;
  std::sort(decided_.begin(), decided_.end());
  decided_.erase(std::unique(decided_.begin(), decided_.end()), decided_.end());
  apply(delta(decided_), true);
}

Frame::Memory Frame::memory_of(int32_t operand) const {
  const Place& p = plan_->operands[operand].place;
  const PlannedOperand& o = plan_->operands[operand];
  if (o.value == kNone || o.model.dtype == static_cast<uint8_t>(DType::string) || container(o) != Container::tensor) return {};
  if (p.kind == Place::arena) return {operands_[operand].data, laid_[p.index]};
  if (p.kind != Place::output) return {};
  if (given_[p.index].data) return given_[p.index];
  return is_open(plan_->outputs[p.index]) ? Memory{} : Memory{outputs_[p.index].data, own_outputs_[p.index].bytes()};
}

void Frame::provide(const PlannedStep& step) {
  for (int k = 0; k < step.destinations; ++k) {
    const int32_t at = step.first_operand + step.sources + k;
    const PlannedOperand& o = plan_->operands[at];
    if (o.value == kNone) continue;
    const bool output = o.place.kind == Place::output;
    const bool provided = o.place.kind == Place::late || (output && (!outputs_[o.place.index].data || is_provided(o.place.index)));
    if (!provided) continue;
    const int32_t index = o.place.index;
    void* data;
    if (container(o) != Container::tensor) {
      auto& array = output ? output_arrays_[index] : late_arrays_[index];
      if (!array) array = std::make_unique<Array>();
      data = array.get();
    } else if (o.model.dtype == static_cast<uint8_t>(DType::string)) {
      auto& strings = output ? output_strings_[index] : late_strings_[index];
      if (!strings) strings = std::make_unique<std::vector<std::string>>();
      strings->assign(static_cast<size_t>(element_count(operands_[at].size, operands_[at].rank)), {});
      data = strings->data();
    } else if (output && given_[index].data) {
      if (given_[index].bytes < bytes_of(o, operands_[at]))
        throw Error(Code::bad_input, "the memory lent to output " + std::to_string(index) + " is too small for its result of " +
                                         std::to_string(bytes(operands_[at])) + " bytes");
      data = given_[index].data;
    } else {
      const int64_t need = bytes_of(o, operands_[at]);
      if (need > memory_limit_)
        throw Error(Code::limit, "a result of " + std::to_string(need) + " bytes is beyond the memory limit (option memory_limit)");
      Buffer& b = output ? own_outputs_[index] : late_[index];
      grow(b, need, memory_limit_, counters_);
      data = b.data();
    }
    if (output) outputs_[index].data = data;
    point(output ? in_output_ : in_late_, index, data);
  }
}

Tensor Frame::output(int index) const {
  const Operand& o = outputs_[index];
  return {static_cast<DType>(o.dtype), {o.size, o.size + o.rank}, o.dense ? o.data : nullptr, container(plan_->outputs[index])};
}

}  // namespace tenon
