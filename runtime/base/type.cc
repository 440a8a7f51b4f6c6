#include "base/type.h"

#include <algorithm>
#include <cstdio>

#include "base/error.h"

namespace tenon {

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
  return dtype == other.dtype && shape == other.shape && layout == other.layout && same && container == other.container;
}

std::string text(const Shape& shape, const Extents& extents) {
  std::string out = "[";
  for (int i = 0; i < shape.rank(); ++i) out += (i ? ", " : "") + extents.text(shape[i]);
  return out + "]";
}

std::string text(const Type& type, const Extents& extents) {
  std::string out(name(type.dtype));
  if (type.dtype == DType::none) return out;
  out += text(type.shape, extents);
  if (type.container == Container::sequence) out = "sequence(" + out + ")";
  if (type.container == Container::optional) out = "optional(" + out + ")";
  if (type.container == Container::optional_sequence) out = "optional(sequence(" + out + "))";
  if (type.layout.block > 1) out += " blocked(" + std::to_string(type.layout.axis) + ", " + std::to_string(type.layout.block) + ")";
  if (type.layout.room.rank()) out += " room" + text(type.layout.room, extents) + " at " + extents.text(type.layout.offset);
  if (const Quantisation* q = type.quantisation.get()) {
    char buffer[64];
    if (q->scale.size() == 1)
      std::snprintf(buffer, sizeof buffer, " scale %.9g zero %d", static_cast<double>(q->scale[0]), q->zero[0]);
    else
      std::snprintf(buffer, sizeof buffer, " scale(%zu) axis %d", q->scale.size(), q->axis);
    out += buffer;
  }
  return out;
}

}  // namespace tenon
