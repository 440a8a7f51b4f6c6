// What the tensors of a model hold: element types, counts, and elements in Tenon's storage.
#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/tensor.h"
#include "formats/onnx/model.h"

namespace tenon::onnx {
namespace {

constexpr DType kTypes[] = {DType::none, DType::f32,    DType::u8,      DType::s8,       DType::u16,        DType::s16,    DType::s32,
                            DType::s64,  DType::string, DType::boolean, DType::f16,      DType::f64,        DType::u32,    DType::u64,
                            DType::c64,  DType::c128,   DType::bf16,    DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz,
                            DType::u4,   DType::s4,     DType::f4e2m1,  DType::f8e8m0,   DType::u2,         DType::s2};

// Fields of TensorProto that hold numbers.
enum Field : uint32_t { kFloats = 4, kInt32s = 5, kStrings = 6, kInt64s = 7, kDoubles = 10, kUint64s = 11 };

Field field_of(DType t) {
  switch (t) {
    case DType::f32:
    case DType::c64: return kFloats;
    case DType::s64: return kInt64s;
    case DType::string: return kStrings;
    case DType::f64:
    case DType::c128: return kDoubles;
    case DType::u32:
    case DType::u64: return kUint64s;
    default: return kInt32s;
  }
}

[[noreturn]] void wrong_count(int64_t has, int64_t wants, const char* unit) {
  throw Error(Code::bad_model, "the tensor has " + std::to_string(has) + " " + unit + ", its shape asks for " + std::to_string(wants));
}

// Numbers given one by one, stored as elements of `type`. Half and eighth floats come as their bits, complex numbers as two numbers,
// elements of less than a byte as the bytes that hold them.
class TypedElements {
 public:
  TypedElements(DType type, int64_t count, int64_t bytes)
      : type_(type),
        as_bits_(bits(type) < 8                      ? DType::u8
                 : is_real(type) && bits(type) == 8  ? DType::u8
                 : is_real(type) && bits(type) == 16 ? DType::u16
                                                     : type),
        count_(is_complex(type) ? 2 * count
               : bits(type) < 8 ? bytes
                                : count),
        data_(static_cast<size_t>(bytes)) {}

  // Numbers wanted.
  static int64_t numbers(DType type, int64_t count) { return is_complex(type) ? 2 * count : bits(type) < 8 ? storage_bytes(type, count) : count; }

  void real(double v) { put({.real = v}); }
  void integer(int64_t v) {
    if (bits(as_bits_) < 64 && (v < lowest(as_bits_) || v > highest(as_bits_)))
      throw Error(Code::bad_model, "the number " + std::to_string(v) + " is none of " + std::string(name(type_)));
    put({.integer = v});
  }
  std::vector<char> take() {
    if (at_ != count_) wrong_count(at_, count_, "numbers");
    return std::move(data_);
  }

 private:
  void put(Cell c) {
    if (at_ == count_) wrong_count(at_ + 1, count_, "numbers or more");
    store_cell(as_bits_, data_.data(), at_++, c);
  }

  const DType type_, as_bits_;
  const int64_t count_;
  std::vector<char> data_;
  int64_t at_ = 0;
};

// Numbers in the typed fields, which must all be in the one that the element type has.
int64_t typed_numbers(const TensorView& t, Field wanted) {
  int64_t numbers = 0;
  for (Wire w(t.message, "a tensor"); w.next(); w.skip()) {
    int64_t here = 0;
    switch (w.field()) {
      case kFloats: here = w.numbers(4); break;
      case kDoubles: here = w.numbers(8); break;
      case kStrings: here = 1; break;
      case kInt32s:
      case kInt64s:
      case kUint64s: here = w.numbers(0); break;
      default: break;
    }
    if (here && w.field() != wanted)
      throw Error(Code::bad_model,
                  "the tensor has numbers in field " + std::to_string(w.field()) + "; its element type has them in field " + std::to_string(wanted));
    numbers += here;
  }
  return numbers;
}

std::vector<char> typed_elements(const TensorView& t, DType type, int64_t count, int64_t bytes) {
  const Field field = field_of(type);
  // Counted first, so that no more is allocated than the file can fill.
  const int64_t numbers = typed_numbers(t, field), wanted = TypedElements::numbers(type, count);
  if (numbers != wanted) wrong_count(numbers, wanted, "numbers");
  TypedElements out(type, count, bytes);
  for (Wire w(t.message, "a tensor"); w.next();) {
    if (w.field() != field) w.skip();
    else if (field == kFloats) w.reals<float>([&](float v) { out.real(v); });
    else if (field == kDoubles) w.reals<double>([&](double v) { out.real(v); });
    else w.integers([&](int64_t v) { out.integer(v); });
  }
  return out.take();
}

// Where the values of a sparse tensor lie in the dense one.
class SparseIndices {
 public:
  SparseIndices(const SparseTensorView& t, int64_t stored, int64_t dense, const LoadLimits& limits) : dims_(t.dims), dense_(dense) {
    if (dtype_of(t.indices.data_type) != DType::s64) throw Error(Code::bad_model, "the indices of a sparse tensor are s64");
    const std::vector<int64_t>& shape = t.indices.dims;
    tuples_ = shape.size() == 2;
    const auto rank = static_cast<int64_t>(dims_.size());
    if (!(shape.size() == 1 && shape[0] == stored) && !(tuples_ && shape[0] == stored && shape[1] == rank))
      throw Error(Code::bad_model, "the indices of a sparse tensor of " + std::to_string(stored) + " values and rank " + std::to_string(rank) +
                                       " have the shape [values] or [values, rank]");
    indices_ = elements(t.indices, limits);
  }

  int64_t operator()(int64_t value) {
    const auto index = [&](int64_t i) { return load_cell(DType::s64, indices_.data(), i).integer; };
    int64_t at = 0;
    if (tuples_) {
      const auto rank = static_cast<int64_t>(dims_.size());
      for (int64_t k = 0; k < rank; ++k)
        at = at * dims_[static_cast<size_t>(k)] + within_size(index(value * rank + k), dims_[static_cast<size_t>(k)]);
    } else {
      at = within_size(index(value), dense_);
    }
    if (at <= before_) throw Error(Code::bad_model, "the indices of a sparse tensor are not in increasing order");
    return before_ = at;
  }

 private:
  static int64_t within_size(int64_t index, int64_t size) {
    if (index < 0 || index >= size)
      throw Error(Code::bad_model, "index " + std::to_string(index) + " of a sparse tensor is not below " + std::to_string(size));
    return index;
  }

  const std::vector<int64_t>& dims_;
  const int64_t dense_;
  bool tuples_;
  std::vector<char> indices_;
  int64_t before_ = -1;
};

}  // namespace

DType dtype_of(int32_t n) {
  if (n <= 0) throw Error(Code::bad_model, "the element type " + std::to_string(n) + " is undefined");
  if (n >= static_cast<int32_t>(std::size(kTypes)))
    throw Error(Code::not_supported,
                "the element type " + std::to_string(n) + " is not supported; Tenon knows 1 to " + std::to_string(std::size(kTypes) - 1));
  return kTypes[n];
}

int32_t data_type_of(DType type) { return static_cast<int32_t>(std::find(std::begin(kTypes), std::end(kTypes), type) - kTypes); }

int64_t element_count(const TensorView& t, const LoadLimits& limits) {
  const int64_t n = tenon::element_count(t.dims.data(), static_cast<int>(t.dims.size()));
  if (n > limits.elements) throw Error(Code::limit, "a tensor of more than " + std::to_string(limits.elements) + " elements (limit elements)");
  return n;
}

std::vector<char> elements(const TensorView& t, const LoadLimits& limits) {
  const DType type = dtype_of(t.data_type);
  const int64_t n = element_count(t, limits), bytes = storage_bytes(type, n);
  if (type == DType::string) throw Error(Code::bad_model, "a tensor of strings where numbers belong");
  if (t.external) throw Error(Code::bad_model, "external data where a tensor holds its own");
  if (t.has_raw && t.has_typed && !t.raw.empty()) throw Error(Code::bad_model, "the tensor has both raw and typed data");
  if (!t.has_raw || t.has_typed) return typed_elements(t, type, n, bytes);
  if (static_cast<int64_t>(t.raw.size()) != bytes) wrong_count(static_cast<int64_t>(t.raw.size()), bytes, "bytes");
  std::vector<char> out(t.raw.begin(), t.raw.end());
  if (type == DType::boolean)
    for (char& c : out) c = c != 0;
  return out;
}

std::vector<std::string_view> string_elements(const TensorView& t, const LoadLimits& limits) {
  const int64_t n = element_count(t, limits);
  if (dtype_of(t.data_type) != DType::string) throw Error(Code::bad_model, "a tensor of numbers where strings belong");
  if (t.has_raw) throw Error(Code::bad_model, "a tensor of strings has raw data");
  if (t.external) throw Error(Code::bad_model, "a tensor of strings has external data");
  if (const int64_t strings = typed_numbers(t, kStrings); strings != n) wrong_count(strings, n, "strings");
  std::vector<std::string_view> out;
  out.reserve(static_cast<size_t>(n));
  for (Wire w(t.message, "a tensor"); w.next();) {
    if (w.field() == kStrings) out.push_back(w.bytes());
    else w.skip();
  }
  return out;
}

std::vector<char> elements(const SparseTensorView& t, const LoadLimits& limits) {
  const DType type = dtype_of(t.values.data_type);
  const int64_t stored = element_count(t.values, limits);
  if (t.values.dims.size() != 1) throw Error(Code::bad_model, "the values of a sparse tensor have one axis");
  TensorView dense;
  dense.dims = t.dims;
  const int64_t n = element_count(dense, limits), bytes = storage_bytes(type, n);
  if (bytes > limits.fold_bytes_node)
    throw Error(Code::limit, "a sparse tensor of " + std::to_string(bytes) +
                                 " bytes when dense (limit fold_bytes_node: " + std::to_string(limits.fold_bytes_node) + ")");
  const std::vector<char> values = elements(t.values, limits);
  SparseIndices indices(t, stored, n, limits);
  std::vector<char> out(static_cast<size_t>(bytes));
  const int64_t parts = is_complex(type) ? 2 : 1;
  for (int64_t i = 0; i < stored; ++i) {
    const int64_t at = indices(i);
    for (int64_t p = 0; p < parts; ++p) store_cell(type, out.data(), at * parts + p, load_cell(type, values.data(), i * parts + p));
  }
  return out;
}

}  // namespace tenon::onnx
