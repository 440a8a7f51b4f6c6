// Steps that run other plans: a branch once, the body of a loop again and again.
#include <algorithm>
#include <cstring>

#include "exec/executor.h"
#include "ops/control.h"

namespace tenon {
namespace {

// Of a sequence or an optional `from` and `to` are Arrays.
void copy(const Tensor& from, void* to) {
  if (from.container != Container::tensor) *static_cast<Array*>(to) = *static_cast<const Array*>(from.data);
  else if (from.dtype == DType::string) std::copy_n(from.as<std::string>(), from.count(), static_cast<std::string*>(to));
  else if (from.bytes()) std::memcpy(to, from.data, static_cast<size_t>(from.bytes()));
}

// A value that a loop hands from one run of its body to the next.
class Carried {
 public:
  const Tensor& value() const { return value_; }
  void take(const Tensor& from) {
    value_ = from;
    if (from.container != Container::tensor) {
      value_.data = &array_;
    } else if (from.dtype == DType::string) {
      strings_.resize(static_cast<size_t>(from.count()));
      value_.data = strings_.data();
    } else {
      if (memory_.bytes() < from.bytes() || !memory_.data()) memory_ = Buffer(std::max<int64_t>(from.bytes(), 1));
      value_.data = memory_.data();
    }
    copy(from, value_.data);
  }

 private:
  Tensor value_;
  Buffer memory_;
  std::vector<std::string> strings_;
  Array array_;
};

// The results of one scan output, one after the other.
class Stack {
 public:
  void add(const Tensor& item, int64_t memory_limit) {
    if (count_ && item.shape != shape_)
      throw Error(Code::bad_input, "a scan output is " + text(item) + " in iteration " + std::to_string(count_) + ", after " +
                                       std::to_string(count_) + " of another shape");
    shape_ = item.shape;
    const int64_t n = item.count(), cells = is_complex(item.dtype) ? 2 * n : n;
    const int64_t bytes = storage_bytes(item.dtype, (count_ + 1) * n);
    if (bytes > memory_limit) throw Error(Code::limit, "a scan output of more than " + std::to_string(memory_limit) + " bytes (option memory_limit)");
    if (item.dtype == DType::string) {
      strings_.insert(strings_.end(), item.as<std::string>(), item.as<std::string>() + n);
    } else if (bits(item.dtype) >= 8) {
      bytes_.insert(bytes_.end(), item.as<char>(), item.as<char>() + item.bytes());
    } else {
      bytes_.resize(static_cast<size_t>(bytes));
      for (int64_t i = 0; i < cells; ++i) store_cell(item.dtype, bytes_.data(), count_ * cells + i, load_cell(item.dtype, item.data, i));
    }
    ++count_;
  }
  int64_t count() const { return count_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  void move_to(void* data) {
    std::move(strings_.begin(), strings_.end(), static_cast<std::string*>(data));
    if (!bytes_.empty()) std::memcpy(data, bytes_.data(), bytes_.size());
  }

 private:
  int64_t count_ = 0;
  std::vector<int64_t> shape_;
  std::vector<char> bytes_;
  std::vector<std::string> strings_;
};

}  // namespace

void Executor::run_bodies(int step, const Context& context) {
  const PlannedStep& p = frame_.plan().steps[static_cast<size_t>(step)];
  const Op* op = frame_.plan().graph.nodes[p.node].op;
  if (op == &ops::if_) return run_branch(step, context);
  TENON_ASSERT(op == &ops::loop);
  run_loop(step, context);
}

// Hands in the sizes that are known here.
void Executor::enter(Executor& body) const {
  Frame& inner = body.frame_;
  for (int32_t row : body.outer_rows_)
    if (row < static_cast<int32_t>(frame_.values().size()) && frame_.is_set(row)) inner.set_value(row, frame_.values()[static_cast<size_t>(row)]);
}

Tensor Executor::source(const PlannedStep& p, int i) {
  const Operand& o = frame_.operand(p.first_operand + i);
  const ValueId v = frame_.plan().operands[p.first_operand + i].value;
  return {static_cast<DType>(o.dtype), shape_of(o), o.data, frame_.plan().graph.values[v].type.container};
}

void Executor::run_branch(int step, const Context& context) {
  const Plan& plan = frame_.plan();
  const PlannedStep& p = plan.steps[static_cast<size_t>(step)];
  const bool taken = *static_cast<const uint8_t*>(frame_.operand(p.first_operand).data) != 0;
  Executor& branch = *branches_[static_cast<size_t>(step)][taken ? 0 : 1];
  Frame& inner = branch.frame_;
  enter(branch);
  const auto kind = [&](int i) {
    const ValueId v = plan.operands[p.first_operand + i].value;
    return v == kNone ? Container::tensor : plan.graph.values[v].type.container;
  };
  for (int i = 1; i < p.sources; ++i) inner.set_input(i - 1, kind(i), frame_.operand(p.first_operand + i));
  // Results are computed where they belong as far as their memory is there by now.
  for (int k = 0; k < p.destinations; ++k) {
    const Frame::Memory to = frame_.memory_of(p.first_operand + p.sources + k);
    inner.set_output(k, to.data, to.bytes);
  }
  inner.bind();
  branch.observer_ = observer_;
  branch.run_steps(context);
  for (int k = 0; k < p.destinations; ++k) {
    const PlannedOperand& o = plan.operands[p.first_operand + p.sources + k];
    if (o.value != kNone && p.sized_by_data && kind(p.sources + k) == Container::tensor) frame_.decide(o, inner.output_operand(k).size);
  }
  frame_.provide(p);
  for (int k = 0; k < p.destinations; ++k) {
    const Operand &from = inner.output_operand(k), &to = frame_.operand(p.first_operand + p.sources + k);
    if (plan.operands[p.first_operand + p.sources + k].value == kNone || from.data == to.data) continue;
    if (kind(p.sources + k) != Container::tensor || static_cast<DType>(from.dtype) == DType::string) copy(inner.output(k), to.data);
    else if (const int64_t n = bytes(from)) std::memcpy(to.data, from.data, static_cast<size_t>(n));
  }
}

void Executor::run_loop(int step, const Context& context) {
  const Plan& plan = frame_.plan();
  const PlannedStep& p = plan.steps[static_cast<size_t>(step)];
  const Graph& g = plan.graph;
  const int count = static_cast<int>(g.nodes[p.node].attributes.as<Loop>().carried);
  Executor& body = *branches_[static_cast<size_t>(step)][0];
  Frame& inner = body.frame_;
  const auto given = [&](int i) { return plan.operands[p.first_operand + i].value != kNone; };
  int64_t trips = given(0) ? load_cell(DType::s64, frame_.operand(p.first_operand).data, 0).integer : INT64_MAX, trip = 0;
  uint8_t go = !given(1) || *static_cast<const uint8_t*>(frame_.operand(p.first_operand + 1).data);
  const auto formal = [&](int i) {
    return std::vector<int64_t>(static_cast<size_t>(body.frame_.plan().inputs[static_cast<size_t>(i)].model.rank), 1);
  };
  std::vector<Carried> state(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) state[static_cast<size_t>(i)].take(source(p, 2 + i));
  std::vector<Stack> stacks(static_cast<size_t>(p.destinations - count));
  enter(body);
  for (; go && trip < trips; ++trip) {
    inner.set_input(0, {DType::s64, formal(0), &trip});
    inner.set_input(1, {DType::boolean, formal(1), &go});
    for (int i = 0; i < count; ++i) inner.set_input(2 + i, state[static_cast<size_t>(i)].value());
    for (int i = 2 + count; i < p.sources; ++i) inner.set_input(i, source(p, i));
    inner.bind();
    body.observer_ = observer_;
    body.run_steps(context);
    for (int i = 0; i < count; ++i) state[static_cast<size_t>(i)].take(inner.output(1 + i));
    for (size_t i = 0; i < stacks.size(); ++i) stacks[i].add(inner.output(1 + count + static_cast<int>(i)), memory_limit_);
    go = *static_cast<const uint8_t*>(inner.output(0).data);
  }
  const auto destination = [&](int k) -> const PlannedOperand& { return plan.operands[p.first_operand + p.sources + k]; };
  for (int k = 0; k < p.destinations; ++k) {
    if (destination(k).value == kNone || !p.sized_by_data) continue;
    if (k < count) {
      const Tensor& last = state[static_cast<size_t>(k)].value();
      if (last.container == Container::tensor) frame_.decide(destination(k), last.shape.data());
      continue;
    }
    // Of a loop that did not run, sizes that the body decides are 0.
    const Stack& stack = stacks[static_cast<size_t>(k - count)];
    std::vector<int64_t> shape = stack.shape();
    if (!trip) shape.assign(static_cast<size_t>(g.values[destination(k).value].type.shape.rank() - 1), 0);
    shape.insert(shape.begin(), trip);
    frame_.decide(destination(k), shape.data());
  }
  frame_.provide(p);
  for (int k = 0; k < p.destinations; ++k) {
    if (destination(k).value == kNone) continue;
    void* to = frame_.operand(p.first_operand + p.sources + k).data;
    if (k < count) copy(state[static_cast<size_t>(k)].value(), to);
    else stacks[static_cast<size_t>(k - count)].move_to(to);
  }
}

}  // namespace tenon
