#include "plan/packing.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/threads.h"
#include "base/wipe.h"

namespace tenon {
namespace {
constexpr int64_t kCopied = int64_t{512} << 20;      // bytes of constants being packed that lie in buffers, unless two alone are more
constexpr int64_t kThreadsWorth = int64_t{1} << 20;  // bytes of constants for which another thread is worth starting
constexpr int64_t kPart = int64_t{16} << 20;         // bytes of a constant that one thread packs at a time
constexpr int64_t kPiece = int64_t{128} << 10;       // bytes that are read and packed before more are read, at least
}  // namespace

Lent::~Lent() { wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes())); }

char* Lent::memory(int64_t bytes, int64_t kept) {
  if (memory_.bytes() < bytes) {
    Buffer larger(bytes);
    if (kept) std::memcpy(larger.data(), memory_.data(), static_cast<size_t>(kept));
    wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes()));
    memory_ = std::move(larger);
  }
  return memory_.data();
}

const void* Lent::data(const Constant& c) {
  if (const void* lies = c.view()) return lies;
  char* copy = memory(c.bytes, 0);
  c.source->read(c.offset, c.bytes, copy);
  return copy;
}

void Packing::add(std::unique_ptr<ModelStep> model, int source, const Constant* c, void* packed, int64_t grain) {
  const std::shared_ptr<const ModelStep> shared = std::move(model);
  Task task{shared, source, c ? std::optional(*c) : std::nullopt, packed, c && c->bytes ? grain : 0, 0, 0};
  if (!task.grain) return tasks_.push_back(std::move(task));
  const int64_t rows = shared->step.src[source].size[0];
  const int64_t grains = (rows + task.grain - 1) / task.grain, parts = std::clamp(c->bytes / kPart, int64_t{1}, grains);
  for (int64_t i = 0; i < parts; ++i) {
    task.begin = grains * i / parts * task.grain, task.end = std::min(grains * (i + 1) / parts * task.grain, rows);
    tasks_.push_back(task);
  }
}

void Packing::pack(const Task& t, Lent& lent) {
  std::vector<Operand> src(t.model->step.src, t.model->step.src + t.model->step.sources);
  Step step = t.model->step;
  step.src = src.data();
  void*& data = src[static_cast<size_t>(t.source)].data;
  if (!t.grain) {
    if (t.constant) data = const_cast<void*>(lent.data(*t.constant));
    return step.kernel->pack(step, t.packed);
  }
  const Constant& c = *t.constant;
  const int64_t row = t.row_bytes(), end = t.end * row;
  if (const void* lies = c.view()) {
    data = const_cast<char*>(static_cast<const char*>(lies) + t.begin * row);
    return step.kernel->pack_rows(step, t.begin, t.end, t.packed);
  }
  int64_t read = t.begin * row, held = 0;  // the next byte to read, and how many before it wait for the rest of their rows
  for (int64_t i = t.begin; i < t.end;) {
    const int64_t last = std::min(read + std::max(t.grain * row - held, kPiece), end) - 1;
    const int64_t next = std::min(c.source->unit_end(c.offset + last) - c.offset, end), bytes = held + next - read;
    char* memory = lent.memory(bytes, held);
    c.source->read(c.offset + read, next - read, memory + held);
    const int64_t whole = next == end ? t.end - i : bytes / row / t.grain * t.grain;
    data = memory;
    step.kernel->pack_rows(step, i, i + whole, t.packed);
    i += whole, read = next, held = bytes - whole * row;
    std::memmove(memory, memory + whole * row, static_cast<size_t>(held));
  }
}

int Packing::threads(int workers) const {
  int64_t largest_copy = 1, bytes = 0;
  for (const Task& t : tasks_) {
    if (!t.constant) continue;
    bytes += t.grain ? (t.end - t.begin) * t.row_bytes() : t.constant->bytes;
    if (!t.grain && !t.constant->view()) largest_copy = std::max(largest_copy, t.constant->bytes);
  }
  const int64_t fitting = std::max<int64_t>(2, kCopied / largest_copy), worth = 1 + bytes / kThreadsWorth;
  return static_cast<int>(std::min({static_cast<int64_t>(workers), static_cast<int64_t>(tasks_.size()), fitting, worth}));
}

void Packing::run(int workers) {
  std::map<const WeightSource*, std::shared_ptr<void>> held;
  for (const Task& t : tasks_)
    if (t.constant && !held[t.constant->source.get()]) held[t.constant->source.get()] = t.constant->source->hold();
  each_on_threads<Lent>(threads(workers), tasks_.size(), [&](Lent& lent, size_t i) { pack(tasks_[i], lent); });
  tasks_.clear();
}

}  // namespace tenon
