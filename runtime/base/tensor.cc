#include "base/tensor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace tenon {

int64_t element_count(const int64_t* shape, int rank) {
  int64_t product = 1, value = 1;
  for (int i = 0; i < rank; ++i) {
    if (shape[i] < 0) throw Error(Code::bad_model, "the size of axis " + std::to_string(i) + " is " + std::to_string(shape[i]));
    // Zero does not excuse the product of the others.
    if (__builtin_mul_overflow(product, std::max<int64_t>(shape[i], 1), &product) || product > int64_t{1} << 62)
      throw Error(Code::limit, "the sizes of a tensor multiply to more than 2^62 elements");
    value *= shape[i] ? 1 : 0;
  }
  return value ? product : 0;
}

int64_t Tensor::count() const { return element_count(shape.data(), static_cast<int>(shape.size())); }
int64_t Tensor::bytes() const {
  if (container == Container::tensor) return storage_bytes(dtype, count());
  int64_t sum = 0;
  for (int64_t i = 0; i < count(); ++i) sum += as<Tensor>()[i].bytes();
  return sum;
}

OwnedTensor::OwnedTensor(DType dtype, std::vector<int64_t> shape) : view_{dtype, std::move(shape), nullptr} {
  const int64_t n = view_.count();
  if (dtype == DType::string) {
    strings_ = std::make_unique<std::string[]>(static_cast<size_t>(n));
    view_.data = strings_.get();
    return;
  }
  buffer_ = Buffer(std::max<int64_t>(storage_bytes(dtype, n), 1));
  view_.data = buffer_.data();
}

OwnedTensor::OwnedTensor(DType dtype, Container container, std::vector<OwnedTensor> items)
    : view_{dtype, {static_cast<int64_t>(items.size())}, nullptr, container}, items_(std::move(items)) {
  for (const OwnedTensor& item : items_) item_views_.push_back(item.view());
  view_.data = item_views_.data();
}

OwnedTensor::OwnedTensor(const Tensor& copied) {
  if (copied.container != Container::tensor) {
    std::vector<OwnedTensor> items;
    for (int64_t i = 0; i < copied.count(); ++i) items.emplace_back(copied.as<Tensor>()[i]);
    *this = OwnedTensor(copied.dtype, copied.container, std::move(items));
    return;
  }
  *this = OwnedTensor(copied.dtype, copied.shape);
  if (copied.dtype == DType::string) std::copy_n(copied.as<std::string>(), copied.count(), strings_.get());
  else if (copied.bytes()) std::memcpy(view_.data, copied.data, static_cast<size_t>(copied.bytes()));
}

std::string text(const Tensor& tensor) {
  if (tensor.container != Container::tensor) {
    const bool sequence = tensor.container == Container::sequence || tensor.container == Container::map_sequence;
    std::string out(sequence ? "sequence(" : tensor.container == Container::map ? "map(" : "optional(");
    if (!tensor.data) return out + std::to_string(tensor.count()) + " items)";
    for (int64_t i = 0; i < tensor.count(); ++i) out += (i ? ", " : "") + text(tensor.as<Tensor>()[i]);
    return out + ")";
  }
  std::string out(name(tensor.dtype));
  out += "[";
  for (size_t i = 0; i < tensor.shape.size(); ++i) out += (i ? ", " : "") + std::to_string(tensor.shape[i]);
  return out + "]";
}

}  // namespace tenon
