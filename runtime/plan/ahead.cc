#include "plan/ahead.h"

#include <system_error>

#include "base/wipe.h"

namespace tenon {

ReadAhead::~ReadAhead() {
  if (reading_.valid()) reading_.wait();
  for (Buffer* b : {&memory_, &coming_}) wipe_memory(b->data(), static_cast<size_t>(b->bytes()));
}

void ReadAhead::read(const Constant& c, Buffer& memory) {
  if (memory.bytes() < c.bytes) {
    wipe_memory(memory.data(), static_cast<size_t>(memory.bytes()));
    memory = Buffer(c.bytes);
  }
  c.source->read(c.offset, c.bytes, memory.data());
}

void ReadAhead::start(size_t index) {
  next_ = index;
  if (index == order_.size()) return;
  try {
    reading_ = std::async(std::launch::async, [this, index] { read(order_[index], coming_); });
  } catch (const std::system_error&) {
    // Without a thread it is read when it is asked for.
  }
}

const void* ReadAhead::get(const Constant& c) {
  size_t index = next_;
  while (index < order_.size() && !(order_[index].source == c.source && order_[index].offset == c.offset && order_[index].bytes == c.bytes)) ++index;
  const bool expected = index < order_.size(), ready = reading_.valid() && index == next_;
  if (expected && reading_.valid()) reading_.get();
  if (!ready) read(c, expected ? coming_ : memory_);
  if (!expected) return memory_.data();
  std::swap(memory_, coming_);
  start(index + 1);
  return memory_.data();
}

}  // namespace tenon
