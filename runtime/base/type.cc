#include "base/type.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace tenon {
namespace {

// One value, or several in brackets; many are cut short.
template <class T>
std::string list(const std::vector<T>& values) {
  constexpr size_t kMost = 16;
  std::string out;
  for (size_t i = 0; i < values.size() && i < kMost; ++i) {
    char buffer[32];
    out += (i ? ", " : "") + std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, values[i]).ptr);
  }
  if (values.size() > kMost) out += ", ... (" + std::to_string(values.size()) + ")";
  return values.size() == 1 ? out : "[" + out + "]";
}

}  // namespace

Shape::Shape(std::initializer_list<Dim> dims) {
  for (Dim d : dims) push(d);
}

Shape::Shape(const std::vector<Dim>& dims) {
  for (Dim d : dims) push(d);
}

void Shape::push(Dim d) {
  if (rank_ == kMaxRank) throw Error(Code::not_supported, "a shape of more than 8 dimensions; Tenon holds up to 8");
  dims_[rank_++] = d;
}

bool Shape::known() const {
  return std::all_of(begin(), end(), [](Dim d) { return d.known(); });
}

bool Shape::operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

bool Type::operator==(const Type& other) const {
  const bool same = quantisation == other.quantisation || (quantisation && other.quantisation && *quantisation == *other.quantisation);
  return dtype == other.dtype && shape == other.shape && layout == other.layout && same && container == other.container && items == other.items &&
         key == other.key;
}

std::string text(const Shape& shape, const Extents& extents) {
  std::string out = "[";
  for (int i = 0; i < shape.rank(); ++i) out += (i ? ", " : "") + extents.text(shape[i]);
  return out + "]";
}

std::string text(const Type& type, const Extents& extents) {
  std::string out(name(type.dtype));
  if (type.dtype == DType::none) return out;
  out += type.items == Items::any ? "" : type.items == Items::none ? " empty" : text(type.shape, extents);
  if (type.container == Container::sequence) out = "sequence(" + out + ")";
  if (type.container == Container::optional) out = "optional(" + out + ")";
  if (type.container == Container::optional_sequence) out = "optional(sequence(" + out + "))";
  if (type.container == Container::map || type.container == Container::map_sequence) out = "map(" + std::string(name(type.key)) + ", " + out + ")";
  if (type.container == Container::map_sequence) out = "sequence(" + out + ")";
  if (type.layout.block > 1) out += " blocked(" + std::to_string(type.layout.axis) + ", " + std::to_string(type.layout.block) + ")";
  if (type.layout.room.rank()) out += " room" + text(type.layout.room, extents) + " at " + extents.text(type.layout.offset);
  if (const Quantisation* q = type.quantisation.get()) {
    out += " scale " + list(q->scale) + " zero " + list(q->zero);
    if (q->axis >= 0) out += " axis " + std::to_string(q->axis);
    if (q->expressed != DType::f32) out += " as " + std::string(name(q->expressed));
  }
  return out;
}

}  // namespace tenon
