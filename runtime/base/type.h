// What is known of a value without looking at its elements.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/dim.h"
#include "base/dtype.h"

namespace tenon {

struct Shape {
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<Dim> dims);
  explicit Shape(const std::vector<Dim>& dims);

  int rank() const { return rank_; }
  Dim& operator[](int axis) { return dims_[axis]; }
  Dim operator[](int axis) const { return dims_[axis]; }
  const Dim* begin() const { return dims_.data(); }
  const Dim* end() const { return dims_.data() + rank_; }
  void push(Dim d);  // Error(not_supported) beyond 8 dimensions
  bool known() const;
  bool operator==(const Shape& other) const;

 private:
  int rank_ = 0;
  std::array<Dim, kMaxRank> dims_;
};

// How logical indices map to memory.
struct Layout {
  int8_t axis = -1;
  int16_t block = 1;  // > 1: `axis` is cut into blocks, which become the innermost axis; padding lanes are unspecified
  // Extents of the memory this value is a window of, and where it starts; empty: dense. A cache with spare capacity, a slice, a part
  // of a concat.
  Shape room;
  Dim offset;
  bool operator==(const Layout&) const = default;
};

// real = (stored - zero) * scale, per tensor or along `axis`.
struct Quantisation {
  std::vector<float> scale;
  std::vector<int32_t> zero;  // as many as scale
  int axis = -1;
  DType expressed = DType::f32;  // what arithmetic sees; an integer dtype for conv_integer and matmul_integer
  bool operator==(const Quantisation&) const = default;
};

// What is known of the shapes of the items of a sequence or an optional.
enum class Items : uint8_t {
  shaped,  // each has the type's shape; sizes on which they differ are decided by data
  none,    // there is no item yet
  any,     // not even the rank
};

struct Type {
  DType dtype = DType::none;  // what memory holds; none stands for an omitted value
  Shape shape;                // logical; of sequences and optionals: that of every item
  Layout layout;
  std::shared_ptr<const Quantisation> quantisation;
  Container container = Container::tensor;
  Items items = Items::shaped;
  DType key = DType::none;  // of maps; `dtype` is that of their values

  DType expressed() const { return quantisation ? quantisation->expressed : dtype; }
  bool operator==(const Type& other) const;
};

// As printed: "f32[n, 3, 224, 224]", "u8[1, 16] scale 0.02 zero 128", "s8[2, 3] scale [0.5, 0.25] zero [0, 0] axis 0",
// "f32[1, 16, 14, 14] blocked(1, 16)".
std::string text(const Type& type, const Extents& extents);
std::string text(const Shape& shape, const Extents& extents);

}  // namespace tenon
