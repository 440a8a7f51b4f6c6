#include "exec/state.h"

#include <algorithm>
#include <cstring>

#include "ops/scatter.h"

namespace tenon {
namespace {

constexpr int64_t kLeastCapacity = 64;

// A tensor cut at an axis: `outer` pieces, each of rows of `inner` bytes along it.
struct Cut {
  int64_t outer = 1, inner;
};

Cut cut(const Tensor& t, int axis) {
  Cut c{1, storage_bytes(t.dtype, 1)};
  for (int i = 0; i < axis; ++i) c.outer *= t.shape[static_cast<size_t>(i)];
  for (size_t i = static_cast<size_t>(axis) + 1; i < t.shape.size(); ++i) c.inner *= t.shape[i];
  return c;
}

// A scatter that only replaces elements: a run that fails and is repeated leaves what one run
// leaves.
bool replaces(const Node& n) {
  if (n.op == &ops::scatter_nd)
    return n.attributes.as<ScatterNd>().reduction == ScatterReduction::none;
  if (n.op == &ops::scatter_elements)
    return n.attributes.as<ScatterElements>().reduction == ScatterReduction::none;
  return n.op == &ops::tensor_scatter;
}

// Whether the step that makes an output is the last to read an input, of the same sizes, and writes
// over it.
bool writes_over(const Plan& plan, int input, int output) {
  const auto is_place = [](const PlannedOperand& o, Place::Kind kind, int index) {
    return o.value != kNone && o.place.kind == kind && o.place.index == index;
  };
  const PlannedOperand &from = plan.inputs[static_cast<size_t>(input)],
                       &to = plan.outputs[static_cast<size_t>(output)];
  const Type &in = plan.graph.values[from.value].type, &out = plan.graph.values[to.value].type;
  if (plan.has_data_sizes || !is_place(to, Place::output, output) || in.shape != out.shape ||
      in.dtype != out.dtype || in.layout != out.layout || in.layout.room.rank())
    return false;
  bool made = false;
  for (const PlannedStep& s : plan.steps) {
    const PlannedOperand *src = &plan.operands[s.first_operand], *dst = src + s.sources;
    for (int k = 0; k < s.sources; ++k)
      if (is_place(src[k], Place::input, input) && made) return false;
    if (!std::any_of(dst, dst + s.destinations,
                     [&](const PlannedOperand& o) { return is_place(o, Place::output, output); }))
      continue;
    const auto reads = std::count_if(src, src + s.sources, [&](const PlannedOperand& o) {
      return is_place(o, Place::input, input);
    });
    if (!replaces(plan.graph.nodes[s.node]) || s.kernels.empty() || !s.needs.in_place ||
        s.destinations != 1 || dst->value != to.value || src->value != from.value || reads != 1)
      return false;
    made = true;
  }
  return made;
}

}  // namespace

void State::tie(const std::vector<Port>& inputs, const std::vector<Port>& outputs, int output, int input) {
  const Port &from = outputs[static_cast<size_t>(output)], &to = inputs[static_cast<size_t>(input)];
  const auto refuse = [&](const std::string& why) {
    throw Error(Code::bad_usage, why)
        .within("output \"" + printable(from.name) + "\" (" + text(from) + ") tied to input \"" + printable(to.name) + "\" (" + text(to) + ")");
  };
  if (from.dtype != to.dtype) refuse("their element types differ");
  if (from.shape.size() != to.shape.size()) refuse("their ranks differ");
  if (from.container != Container::tensor || to.container != Container::tensor) refuse("only tensors can be tied");
  if (from.any_rank || to.any_rank) refuse("the file tells no shape of one of them");
  if (from.dtype == DType::string || bits(from.dtype) % 8) refuse("state of whole bytes an element can be tied, no other");
  for (const Item& i : items_)
    if (i.input == input) refuse("the input is tied already");
  Item item;
  item.output = output, item.input = input;
  item.view.dtype = to.dtype;
  item.view.shape.resize(to.shape.size());
  for (size_t a = 0; a < to.shape.size(); ++a) item.changes.push_back(to.shape[a].size < 0 && to.shape[a].symbol != from.shape[a].symbol);
  items_.push_back(std::move(item));
}

void State::reset() {
  for (Item& i : items_) i.fresh = true;
}

const State::Item* State::of_output(int output) const {
  for (const Item& i : items_)
    if (i.output == output) return &i;
  return nullptr;
}

std::vector<Tie> State::ties() const {
  std::vector<Tie> out;
  for (const Item& i : items_) out.push_back({i.output, i.input});
  return out;
}

void State::begin(const std::vector<Port>& inputs, std::vector<Tensor>& given) {
  for (Item& item : items_) {
    if (!item.fresh) continue;
    const Port& p = inputs[static_cast<size_t>(item.input)];
    for (size_t a = 0; a < p.shape.size(); ++a) {
      int64_t& size = item.view.shape[a] = p.shape[a].size;
      if (size >= 0) continue;
      size = item.changes[a] ? 0 : 1;
      for (size_t i = 0; i < inputs.size() && !item.changes[a]; ++i) {
        const bool state = std::any_of(items_.begin(), items_.end(), [&](const Item& s) { return s.input == static_cast<int>(i); });
        for (size_t k = 0; !state && k < inputs[i].shape.size() && k < given[i].shape.size(); ++k)
          if (inputs[i].shape[k].size < 0 && inputs[i].shape[k].symbol == p.shape[a].symbol) size = given[i].shape[k];
      }
    }
    int64_t bytes = item.view.bytes();
    if (item.capacity) {
      const Cut c = cut(item.view, item.axis);
      if (bytes || item.memory.bytes() < c.outer * c.inner * item.capacity) item.capacity = 0;
    }
    if (item.memory.bytes() < bytes || !item.memory.data()) item.memory = Buffer(std::max<int64_t>(bytes, 1));
    std::memset(item.memory.data(), 0, static_cast<size_t>(bytes));
    item.view.data = item.memory.data();
    item.fresh = false;
    given[static_cast<size_t>(item.input)] = item.view;
  }
}

void State::settle(const Plan& plan, const std::vector<int>& planned_inputs) {
  const Graph& g = plan.graph;
  for (Item& item : items_) {
    item.planned_input = planned_inputs[static_cast<size_t>(item.input)];
    if (item.capacity) move(item, 0);
    item.axis = -1;
    item.in_place = false;
    if (item.planned_input < 0) continue;
    const bool shared = std::count_if(items_.begin(), items_.end(), [&](const Item& other) {
                          return other.output == item.output;
                        }) != 1;
    item.in_place = !shared && writes_over(plan, item.planned_input, item.output);
    const Type &in = g.values[g.inputs[static_cast<size_t>(item.planned_input)]].type,
               &out = g.values[g.outputs[static_cast<size_t>(item.output)]].type;
    if (!in.layout.room.rank() || !out.layout.room.rank()) continue;
    for (int a = 0; a < in.shape.rank(); ++a)
      if (in.layout.room[a] != in.shape[a]) item.axis = a;
    item.row = in.layout.room[item.axis].row();
    item.size = out.shape[item.axis];
  }
}

// Moves what is there to memory with other room.
void State::move(Item& item, int64_t capacity) {
  const Cut c = cut(item.view, item.axis);
  const int64_t length = item.view.shape[static_cast<size_t>(item.axis)], old = item.capacity ? item.capacity : length,
                wide = capacity ? capacity : length;
  Buffer memory(std::max<int64_t>(c.outer * wide * c.inner, 1));
  for (int64_t i = 0; i < c.outer; ++i)
    std::memcpy(memory.data() + i * wide * c.inner, item.memory.data() + i * old * c.inner, static_cast<size_t>(length * c.inner));
  copied_ += c.outer * length * c.inner;
  item.memory = std::move(memory);
  item.view.data = item.memory.data();
  item.capacity = capacity;
}

void State::bind_items(Frame& frame) {
  for (const Item& item : items_) {
    if (item.planned_input < 0) continue;
    if (item.axis >= 0) {
      frame.set_value(item.row, item.capacity);
      frame.set_output(item.output, item.view.data, item.memory.bytes());
    }
    if (item.in_place) frame.set_output(item.output, item.view.data, item.memory.bytes());
    frame.set_input(item.planned_input, item.view);
  }
}

void State::bind(Frame& frame, int64_t memory_limit) {
  for (Item& item : items_)
    if (item.axis >= 0 && !item.capacity) move(item, std::max({kLeastCapacity, reserved_, 2 * item.view.shape[static_cast<size_t>(item.axis)]}));
  bind_items(frame);
  frame.bind();
  bool moved = false;
  for (Item& item : items_) {
    if (item.axis < 0) continue;
    const int64_t needed = frame.largest(item.size);
    if (needed <= item.capacity) continue;
    const Cut c = cut(item.view, item.axis);
    if (c.inner && c.outer && needed > memory_limit / c.inner / c.outer)
      throw Error(Code::limit, "a state of " + std::to_string(needed) + " positions is beyond the memory limit (option memory_limit)");
    move(item, std::max(needed, 2 * item.capacity));
    moved = true;
  }
  if (!moved) return;
  bind_items(frame);
  frame.bind();
}

void State::carry(Frame& frame, std::vector<Tensor>& given) {
  for (Item& item : items_) {
    const Operand& out = frame.output_operand(item.output);
    std::copy_n(out.size, out.rank, item.view.shape.begin());
    if (item.axis < 0 && !item.in_place) {
      item.memory = frame.swap_output(item.output, std::move(item.memory));
      item.view.data = item.memory.data();
    }
    Tensor& next = given[static_cast<size_t>(item.input)];
    next.shape = item.view.shape;
    next.data = item.view.data;
  }
}

void State::carry(const std::vector<OwnedTensor>& results, std::vector<Tensor>& given) {
  for (Item& item : items_) {
    const Tensor& out = results[static_cast<size_t>(item.output)];
    const int64_t bytes = out.bytes();
    item.memory = Buffer(std::max<int64_t>(bytes, 1));
    std::memcpy(item.memory.data(), out.data, static_cast<size_t>(bytes));
    copied_ += bytes;
    item.view = {out.dtype, out.shape, item.memory.data()};
    given[static_cast<size_t>(item.input)] = item.view;
  }
}

OwnedTensor State::dense(const Item& item) const {
  if (!item.capacity) return OwnedTensor(item.view);
  OwnedTensor out(item.view.dtype, item.view.shape);
  const Cut c = cut(item.view, item.axis);
  const int64_t row = item.view.shape[static_cast<size_t>(item.axis)] * c.inner;
  for (int64_t i = 0; i < c.outer; ++i)
    std::memcpy(static_cast<char*>(out.data()) + i * row, item.memory.data() + i * item.capacity * c.inner, static_cast<size_t>(row));
  return out;
}

std::vector<StateTie> find_ties(const std::vector<Port>& inputs, const std::vector<Port>& outputs) {
  const auto names_of_next = [](const std::string& in) {
    std::vector<std::string> out{in + "n", in + "N", in + "_n", in + "_out", in + "_next", "new_" + in, "next_" + in, "updated_" + in};
    for (const auto& [past, next] : {std::pair<std::string, std::string>{"past_key_values", "present"},
                                     {"past_key_values", "present_key_values"},
                                     {"past", "present"},
                                     {"_in", "_out"}})
      if (const size_t at = in.find(past); at != in.npos) out.push_back(std::string(in).replace(at, past.size(), next));
    return out;
  };
  std::vector<StateTie> out;
  for (const Port& in : inputs) {
    const std::vector<std::string> next = names_of_next(in.name);
    for (const Port& to : outputs) {
      if (std::find(next.begin(), next.end(), to.name) == next.end() || to.container != in.container || in.container != Container::tensor || in.any_rank || to.any_rank ||
          to.dtype != in.dtype || to.shape.size() != in.shape.size())
        continue;
      // At most one axis changes from run to run.
      int changing = 0;
      for (size_t a = 0; a < in.shape.size(); ++a)
        changing += in.shape[a].size != to.shape[a].size || (in.shape[a].size < 0 && in.shape[a].symbol != to.shape[a].symbol);
      if (changing > 1) continue;
      out.push_back({to.name, in.name});
      break;
    }
  }
  return out;
}

}  // namespace tenon
