#include "formats/seal/weights.h"

#include <algorithm>

namespace tenon::seal {
namespace {

class SealedSource : public WeightSource {
 public:
  explicit SealedSource(std::shared_ptr<const SealedFile> file) : file_(std::move(file)) {}

  const void* view(int64_t, int64_t) const override { return nullptr; }
  void read(int64_t offset, int64_t bytes, void* destination) const override {
    file_->read(static_cast<uint64_t>(offset), {static_cast<uint8_t*>(destination), static_cast<size_t>(bytes)});
  }
  int64_t bytes() const override { return static_cast<int64_t>(file_->data_size()); }
  int64_t unit_end(int64_t offset) const override {
    const int log2 = file_->identity().segment_log2();
    return std::min(bytes(), ((offset >> log2) + 1) << log2);
  }
  std::shared_ptr<void> hold() const override { return SealedFile::hold(file_); }

 private:
  std::shared_ptr<const SealedFile> file_;
};

}  // namespace

std::shared_ptr<const WeightSource> make_sealed_source(std::shared_ptr<const SealedFile> file) {
  return std::make_shared<SealedSource>(std::move(file));
}

}  // namespace tenon::seal
