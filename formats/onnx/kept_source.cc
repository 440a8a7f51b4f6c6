#include "formats/onnx/kept_source.h"

#include <cstring>
#include <mutex>

#include "base/buffer.h"
#include "base/wipe.h"

namespace tenon::onnx {
namespace {

class KeptSource : public WeightSource {
 public:
  KeptSource(std::shared_ptr<const WeightSource> from, int64_t offset, int64_t bytes) : from_(std::move(from)), offset_(offset), bytes_(bytes) {}
  ~KeptSource() override { wipe_memory(memory_.data(), static_cast<size_t>(memory_.bytes())); }

  const void* view(int64_t offset, int64_t) const override {
    std::call_once(once_, [&] {
      Buffer memory(bytes_ > 0 ? bytes_ : 1);
      from_->read(offset_, bytes_, memory.data());
      memory_ = std::move(memory);
    });
    return memory_.data() + offset;
  }
  void read(int64_t offset, int64_t bytes, void* destination) const override {
    if (bytes) std::memcpy(destination, view(offset, bytes), static_cast<size_t>(bytes));
  }
  int64_t bytes() const override { return bytes_; }
  bool lasts() const override { return false; }

 private:
  std::shared_ptr<const WeightSource> from_;
  int64_t offset_, bytes_;
  mutable std::once_flag once_;
  mutable Buffer memory_;
};

}  // namespace

std::shared_ptr<const WeightSource> make_kept_source(std::shared_ptr<const WeightSource> from, int64_t offset, int64_t bytes) {
  return std::make_shared<KeptSource>(std::move(from), offset, bytes);
}

}  // namespace tenon::onnx
