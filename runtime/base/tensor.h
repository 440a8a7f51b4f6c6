// Tensors at the edge of Tenon: a view, and an owner for those who have no memory of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/dtype.h"

namespace tenon {

// A view: dense, row-major elements that someone else owns. Strings are std::string objects. The elements of a sequence are Tensor
// objects, as many as its only size says, and so is the element of an optional, which has one or none; `dtype` is that of their elements.
// A map is two Tensors: a list of keys, each once and in increasing order, and a list of their values; `dtype` is that of the values.
struct Tensor {
  DType dtype = DType::none;
  std::vector<int64_t> shape;
  void* data = nullptr;
  Container container = Container::tensor;

  // Elements, or Error(limit) where the product does not fit.
  int64_t count() const;
  int64_t bytes() const;
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// Elements of a shape. Throws Error(bad_model) for a negative size and Error(limit) for a product beyond 2^62, zero sizes or not.
int64_t element_count(const int64_t* shape, int rank);

// A tensor with memory of its own.
class OwnedTensor {
 public:
  OwnedTensor() = default;
  OwnedTensor(DType dtype, std::vector<int64_t> shape);
  OwnedTensor(const Tensor& copied);
  OwnedTensor(DType dtype, Container container, std::vector<OwnedTensor> items);
  OwnedTensor(OwnedTensor&&) = default;
  OwnedTensor& operator=(OwnedTensor&&) = default;

  const Tensor& view() const { return view_; }
  operator const Tensor&() const { return view_; }
  DType dtype() const { return view_.dtype; }
  const std::vector<int64_t>& shape() const { return view_.shape; }
  int64_t count() const { return view_.count(); }
  template <class T>
  T* as() const {
    return view_.as<T>();
  }
  void* data() const { return view_.data; }

 private:
  Tensor view_;
  Buffer buffer_;
  std::unique_ptr<std::string[]> strings_;
  std::vector<OwnedTensor> items_;
  std::vector<Tensor> item_views_;
};

// As printed: "f32[1, 10]", "sequence(f32[2], f32[3])".
std::string text(const Tensor& tensor);

}  // namespace tenon
