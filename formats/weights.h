// Where the bytes of constants come from: a mapped file, memory, or a container that decrypts on demand.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/dtype.h"

namespace tenon {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The bytes where they lie, or null when they must be read. [offset, offset + bytes) is within the source.
  virtual const void* view(int64_t offset, int64_t bytes) const = 0;
  // Copies them. Throws Error(io) and what the source adds to it.
  virtual void read(int64_t offset, int64_t bytes, void* destination) const = 0;
  virtual int64_t bytes() const = 0;
  // Whether it is the same object whenever the model is read; else its bytes alone tell which they are.
  virtual bool lasts() const { return true; }
  // Where the unit ends that holds the byte at `offset`: a read that takes units whole does no work twice.
  virtual int64_t unit_end(int64_t) const { return bytes(); }
  // While the result lives, what reads need is kept from one to the next. May be null.
  virtual std::shared_ptr<void> hold() const { return nullptr; }
};

// A source with a copy of `data`.
std::shared_ptr<const WeightSource> make_memory_source(const void* data, int64_t bytes);
// A source over memory of the caller, which outlives it.
std::shared_ptr<const WeightSource> make_view_source(const void* data, int64_t bytes);
// The floats [offset, offset + 4 * count) of a source as halves of type `to`, rounded as they are read.
std::shared_ptr<const WeightSource> make_rounded_source(std::shared_ptr<const WeightSource> from, int64_t offset, int64_t count, DType to);
// A mapped file. Throws Error(io) when it cannot be opened or is no regular file.
std::shared_ptr<const WeightSource> map_file(const std::string& path);
// `bytes` of an open regular file, whose descriptor may be closed afterwards.
std::shared_ptr<const WeightSource> map_descriptor(int fd, int64_t bytes);

}  // namespace tenon
