#include "plan/frame.h"

#include <algorithm>
#include <cstring>

namespace tenon {
namespace {

constexpr int64_t kLine = Buffer::kAlignment;

int64_t aligned(int64_t n) { return (n + kLine - 1) / kLine * kLine; }

void grow(Buffer& b, int64_t bytes, BindCounters& counters) {
  if (b.bytes() >= bytes && b.data()) return;
  b = Buffer(0);
  b = Buffer(std::max(bytes, kLine));
  ++counters.grown;
}

}  // namespace

Frame::Frame(std::shared_ptr<const Plan> plan, int64_t memory_limit) : plan_(std::move(plan)), memory_limit_(memory_limit) {
  const Extents& e = *plan_->graph.extents;
  values_.assign(static_cast<size_t>(e.rows()), 0);
  bounds_ = values_;
  set_.assign(values_.size(), false);
  seen_ = set_;
  by_data_ = lent_ = set_;
  for (int32_t row = 0; row < e.rows(); ++row) {
    by_data_[row] = e.is_data(row);
    for (int32_t part : e.parts(row)) by_data_[row] = by_data_[row] || by_data_[part];
    if (e.is_data(row)) values_[row] = 1;
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
  for (const ContentPlan& c : plan_->contents) contents_.emplace_back(std::max<int64_t>(storage_bytes(c.dtype, static_cast<int64_t>(c.elements.size())), 1));
  size_.assign(plan_->buffers.size(), 0);
  offset_ = size_;
  late_.resize(plan_->buffers.size());
  late_strings_.resize(plan_->buffers.size());
  late_arrays_.resize(plan_->buffers.size());
  own_outputs_.resize(plan_->outputs.size());
  output_strings_.resize(plan_->outputs.size());
  output_arrays_.resize(plan_->outputs.size());
  input_data_.resize(plan_->inputs.size());
  given_.resize(plan_->outputs.size());
}

void Frame::set_value(int32_t row, int64_t value) {
  lent_[row] = true;
  if (set_[row] && values_[row] == value) return;
  set_[row] = true;
  values_[row] = bounds_[row] = value;
  changed_.push_back(row);
}

void Frame::unify(int index, const Tensor& t) {
  const Value& v = plan_->graph.values[plan_->graph.inputs[index]];
  const Extents& e = *plan_->graph.extents;
  const auto mismatch = [&](const std::string& what) {
    throw Error(Code::bad_input, what).within("input \"" + printable(v.name) + "\" is " + text(v.type, e) + ", given " + text(t));
  };
  if (t.dtype != v.type.dtype) mismatch("the element type is " + std::string(name(t.dtype)) + ", not " + std::string(name(v.type.dtype)));
  if (t.container != v.type.container) mismatch("one is a tensor, the other is none");
  if (t.container != Container::tensor) {
    const Array& given = *static_cast<const Array*>(t.data);
    const Array& list = t.container == Container::optional_sequence && !given.items.empty() ? given.items[0] : given;
    for (const Array& item : list.items) {
      bool fits = v.type.items == Items::any || item.rank() == v.type.shape.rank() || item.container != Container::tensor;
      for (int i = 0; fits && v.type.items == Items::shaped && i < item.rank(); ++i)
        fits = !v.type.shape[i].known() || v.type.shape[i].number() == item.shape[static_cast<size_t>(i)];
      if (!fits) mismatch("an item has another shape");
    }
    return;
  }
  if (static_cast<int>(t.shape.size()) != v.type.shape.rank())
    mismatch("the rank is " + std::to_string(t.shape.size()) + ", not " + std::to_string(v.type.shape.rank()));
  for (int i = 0; i < v.type.shape.rank(); ++i) {
    const Dim d = v.type.shape[i];
    const int64_t given = t.shape[i];
    if (given < 0 || given > (int64_t{1} << 48)) mismatch("axis " + std::to_string(i) + ": a size of " + std::to_string(given));
    if (d.known()) {
      if (d.number() != given) mismatch("axis " + std::to_string(i) + ": " + std::to_string(given) + ", not " + std::to_string(d.number()));
      continue;
    }
    // Of a body that runs repeatedly.
    if (e.is_data(d.row())) set_value(d.row(), given);
    if (!e.is_symbol(d.row())) continue;  // an expression: compared by bind when its symbols are there
    if (seen_[d.row()] && values_[d.row()] != given)
      mismatch("axis " + std::to_string(i) + ": " + e.text(d) + " = " + std::to_string(given) + ", but another input gives " + std::to_string(values_[d.row()]));
    seen_[d.row()] = true;
    set_value(d.row(), given);
  }
}

void Frame::set_input(int index, const Tensor& t) {
  unify(index, t);
  if (input_data_[index] == t.data) return;
  input_data_[index] = t.data;
  pointers_stale_ = true;
}

void Frame::set_output(int index, void* data, int64_t bytes) {
  if (given_[index].data == data && given_[index].bytes == bytes) return;
  given_[index] = {data, bytes};
  pointers_stale_ = true;
}

const Delta& Frame::delta(const std::vector<int32_t>& changed) {
  std::unique_ptr<Delta>& slot = deltas_[changed];
  if (slot) return *slot;
  ++counters_.deltas;
  slot = std::make_unique<Delta>();
  Delta& d = *slot;
  const Extents& e = *plan_->graph.extents;
  std::vector<bool> touched(values_.size()), bound_touched(values_.size());
  for (int32_t row : changed) touched[row] = bound_touched[row] = true;
  for (int32_t row = 0; row < e.rows(); ++row) {
    for (int32_t part : e.parts(row)) {
      if (part == row) continue;
      if (e.is_data(row)) bound_touched[row] = bound_touched[row] || bound_touched[part];
      else touched[row] = touched[row] || touched[part], bound_touched[row] = bound_touched[row] || bound_touched[part];
    }
    if (touched[row] && !e.is_symbol(row) && !e.is_data(row)) d.rows.push_back(row);
    if (plan_->has_data_sizes && bound_touched[row] && !e.is_symbol(row)) d.bound_rows.push_back(row);
  }
  const auto depends = [&](Dim x) { return !x.known() && touched[x.row()]; };
  const auto patch = [&](Operand& o, const PlannedOperand& p) {
    for (int i = 0; i < p.geometry.size.rank(); ++i) {
      if (depends(p.geometry.size[i])) d.patches.push_back({&o.size[i], p.geometry.size[i].row()});
      if (depends(p.geometry.stride[i])) d.patches.push_back({&o.stride[i], p.geometry.stride[i].row()});
    }
  };
  for (size_t i = 0; i < operands_.size(); ++i) patch(operands_[i], plan_->operands[i]);
  for (size_t i = 0; i < inputs_.size(); ++i) patch(inputs_[i], plan_->inputs[i]);
  for (size_t i = 0; i < outputs_.size(); ++i) patch(outputs_[i], plan_->outputs[i]);
  for (size_t i = 0; i < plan_->buffers.size(); ++i) {
    const Dim b = plan_->buffers[i].bytes;
    if (!b.known() && !plan_->buffers[i].late && (touched[b.row()] || bound_touched[b.row()])) d.buffers.push_back(static_cast<int32_t>(i));
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
  return d;
}

void Frame::check(const Guard& g) const {
  const Extents& e = *plan_->graph.extents;
  const int64_t a = value(g.a), b = value(g.b);
  const bool holds = g.kind == Guard::equal ? a == b : g.kind == Guard::at_least ? a >= b : a == b || a == 1 || b == 1;
  if (!holds)
    throw Error(Code::bad_input, g.sentence + ": " + e.text(g.a) + " = " + std::to_string(a) + ", " + e.text(g.b) + " = " + std::to_string(b));
}

bool Frame::decided(Dim d, bool running) const {
  const Extents& e = *plan_->graph.extents;
  std::vector<int32_t> open;
  if (!d.known()) open.push_back(d.row());
  while (!open.empty()) {
    const int32_t row = open.back();
    open.pop_back();
    if (e.is_data(row) && !(running ? set_[row] : lent_[row])) return false;
    for (int32_t part : e.parts(row))
      if (part != row) open.push_back(part);
  }
  return true;
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
    } catch (const Error&) {
      values_[row] = 0;
    }
  }
  if (!running)
    for (int32_t row : d.bound_rows) {
      if (!e.is_data(row)) bounds_[row] = e.evaluate(row, bounds_.data());
      else if (const Dim b = e.bound(row); !b.known()) bounds_[row] = bounds_[b.row()];
      else bounds_[row] = std::max<int64_t>(b.number(), 0);
    }
  // Guards over sizes that data decide hold only once those are there.
  for (int32_t i : d.guards) {
    const Guard& g = (*plan_->graph.guards)[i];
    const bool early = (!g.a.known() && by_data_[g.a.row()]) || (!g.b.known() && by_data_[g.b.row()]);
    if (!early || (decided(g.a, running) && decided(g.b, running))) check(g);
  }
  for (const Delta::Patch& p : d.patches) {
    if (values_[p.row] < 0 && (running || !by_data_[p.row] || decided(Dim::of_row(p.row), false)))
      throw Error(Code::bad_input, "the inputs are too small: a size of " + e.text(Dim::of_row(p.row)) + " would be " + std::to_string(values_[p.row]));
    *p.to = values_[p.row];
  }
  for (int32_t s : d.steps) {
    const PlannedStep& p = plan_->steps[s];
    if (p.kernels.size() > 1) {
      const Kernel* best = nullptr;
      float least = 0;
      for (const Kernel* k : p.kernels)
        if (const float cost = k->cost(steps_[s]); !best || cost < least) best = k, least = cost;
      steps_[s].kernel = best;
    }
    if (running) grow_scratch(steps_[s]);
  }
  if (running) return;
  for (int32_t b : d.buffers) {
    const Dim bytes = plan_->buffers[b].bytes;
    size_[b] = plan_->has_data_sizes ? bounds_[bytes.row()] : values_[bytes.row()];
  }
}

void Frame::grow_scratch(const Step& s) {
  const Needs n = s.kernel->needs(s);
  if (aligned(n.scratch_bytes) <= shared_scratch_ && aligned(n.worker_scratch_bytes) <= worker_scratch_) return;
  shared_scratch_ = std::max(shared_scratch_, aligned(n.scratch_bytes));
  worker_scratch_ = std::max(worker_scratch_, aligned(n.worker_scratch_bytes));
  const int64_t scratch = shared_scratch_ + worker_scratch_ * plan_->options.workers;
  if (scratch > memory_limit_) throw Error(Code::limit, "a step needs " + std::to_string(scratch) + " bytes of working memory (option memory_limit)");
  grow(scratch_, scratch, counters_);
}

void Frame::write_contents() {
  for (size_t i = 0; i < contents_.size(); ++i) {
    const ContentPlan& c = plan_->contents[i];
    for (size_t k = 0; k < c.elements.size(); ++k) store_cell(c.dtype, contents_[i].data(), static_cast<int64_t>(k), {.integer = value(c.elements[k])});
  }
}

void Frame::offsets() {
  int64_t end = 0;
  for (size_t i = 0; i < plan_->buffers.size(); ++i) {
    const BufferPlan& b = plan_->buffers[i];
    if (b.late) continue;
    int64_t at = 0;
    for (int32_t below : b.above) at = std::max(at, offset_[below] + aligned(size_[below]));
    offset_[i] = at;
    end = std::max(end, at + aligned(size_[i]));
  }
  int64_t shared = 0, worker = 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (!steps_[i].kernel) continue;
    const Needs n = steps_[i].kernel->needs(steps_[i]);
    shared = std::max(shared, aligned(n.scratch_bytes));
    worker = std::max(worker, aligned(n.worker_scratch_bytes));
  }
  shared_scratch_ = shared;
  worker_scratch_ = worker;
  const int64_t scratch = shared + worker * plan_->options.workers;
  if (end > memory_limit_ - scratch || scratch > memory_limit_)
    throw Error(Code::limit, "these inputs need " + std::to_string(end + scratch) + " bytes of working memory, more than the limit of " +
                                 std::to_string(memory_limit_) + " (option memory_limit)");
  grow(arena_, end, counters_);
  grow(scratch_, scratch, counters_);
}

void Frame::point() {
  for (size_t i = 0; i < plan_->outputs.size(); ++i) {
    const PlannedOperand& o = plan_->outputs[i];
    const Value& v = plan_->graph.values[o.value];
    if (v.type.dtype == DType::string || v.type.container != Container::tensor) continue;
    bool late = false;
    for (int k = 0; k < outputs_[i].rank; ++k) late |= outputs_[i].size[k] == kUnknown;
    if (late || plan_->has_data_sizes) continue;
    const int64_t need = bytes(outputs_[i]);
    if (given_[i].data) {
      if (given_[i].bytes < need)
        throw Error(Code::bad_input, "the memory lent holds " + std::to_string(given_[i].bytes) + " bytes, the result has " + std::to_string(need))
            .within("output \"" + printable(v.name) + "\"");
      outputs_[i].data = given_[i].data;
    } else {
      grow(own_outputs_[i], need, counters_);
      outputs_[i].data = own_outputs_[i].data();
    }
  }
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Place& p = plan_->operands[i].place;
    void* data = operands_[i].data;
    switch (p.kind) {
      case Place::none: continue;
      case Place::constant: data = const_cast<void*>(plan_->constants[p.index]); break;
      case Place::content: data = contents_[p.index].data(); break;
      case Place::arena: data = arena_.data() + offset_[p.index]; break;
      case Place::input: data = input_data_[p.index]; break;
      case Place::output: data = outputs_[p.index].data; break;
      case Place::late: break;
    }
    operands_[i].data = data;
  }
}

void Frame::bind() {
  const Extents& e = *plan_->graph.extents;
  if (!bound_once_) {
    // Every symbol counts as changed, and sizes without symbols are taken from the plan.
    for (size_t i = 0; i < plan_->buffers.size(); ++i)
      if (plan_->buffers[i].bytes.known()) size_[i] = plan_->buffers[i].bytes.number();
    changed_ = e.symbols();
    for (int32_t row = 0; row < e.rows(); ++row)
      if (e.is_data(row)) changed_.push_back(row);
  }
  if (!changed_.empty()) {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    const std::vector<int32_t> changed = std::move(changed_);
    changed_.clear();
    ++counters_.binds;
    bound_once_ = false;  // until all of it has held
    apply(delta(changed), false);
    write_contents();
    offsets();
    pointers_stale_ = true;
  } else if (!bound_once_) {
    write_contents();
    offsets();
  }
  if (pointers_stale_) point();
  pointers_stale_ = false;
  bound_once_ = true;
  std::fill(seen_.begin(), seen_.end(), false);
  if (plan_->has_data_sizes)
    for (size_t row = 0; row < set_.size(); ++row)
      if (e.is_data(static_cast<int32_t>(row)) && !lent_[row]) set_[row] = false;
}

void Frame::decide(const PlannedOperand& o, const int64_t* size) {
  const Extents& e = *plan_->graph.extents;
  const Shape& shape = plan_->graph.values[o.value].type.shape;
  std::vector<int32_t> changed;
  for (int i = 0; i < shape.rank(); ++i) {
    const Dim d = shape[i];
    if (d.known() || !e.is_data(d.row())) continue;
    if (values_[d.row()] == size[i] && set_[d.row()]) continue;
    set_[d.row()] = true;
    values_[d.row()] = size[i];
    changed.push_back(d.row());
  }
  if (changed.empty()) return;
  std::sort(changed.begin(), changed.end());
  apply(delta(changed), true);
  write_contents();
}

void Frame::provide(const PlannedStep& step) {
  for (int k = 0; k < step.destinations; ++k) {
    const int32_t at = step.first_operand + step.sources + k;
    const PlannedOperand& o = plan_->operands[at];
    if (o.value == kNone || (o.place.kind != Place::late && !(o.place.kind == Place::output && !outputs_[o.place.index].data) &&
                             !(o.place.kind == Place::output && plan_->has_data_sizes)))
      continue;
    const bool output = o.place.kind == Place::output;
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
      if (given_[index].bytes < bytes(operands_[at]))
        throw Error(Code::bad_input, "the memory lent to output " + std::to_string(index) + " is too small for its result of " + std::to_string(bytes(operands_[at])) + " bytes");
      data = given_[index].data;
    } else {
      const int64_t need = bytes(operands_[at]);
      if (need > memory_limit_) throw Error(Code::limit, "a result of " + std::to_string(need) + " bytes is beyond the memory limit (option memory_limit)");
      Buffer& b = output ? own_outputs_[index] : late_[index];
      grow(b, need, counters_);
      data = b.data();
    }
    if (output) outputs_[index].data = data;
    for (size_t i = 0; i < operands_.size(); ++i)
      if (plan_->operands[i].place.kind == o.place.kind && plan_->operands[i].place.index == index) operands_[i].data = data;
  }
}

Tensor Frame::output(int index) const {
  const Operand& o = outputs_[index];
  return {static_cast<DType>(o.dtype), {o.size, o.size + o.rank}, o.data, container(plan_->outputs[static_cast<size_t>(index)])};
}

}  // namespace tenon
