#include "plan/operand.h"

#include <algorithm>
#include <cmath>

namespace tenon {

Geometry geometry(const Type& type, Extents& extents) {
  Geometry g;
  g.size = type.shape;
  const Layout& l = type.layout;
  Dim step = l.block > 1 ? Dim(l.block) : Dim(1);
  for (int i = type.shape.rank() - 1; i >= 0; --i) {
    g.stride[i] = step;
    Dim count = l.room.rank() ? l.room[i] : type.shape[i];
    if (l.block > 1 && i == l.axis) count = extents.floor_div(extents.add(count, l.block - 1), l.block);
    step = extents.mul(step, count);
  }
  g.elements = step;
  return g;
}

Operand operand(const Type& type, const Geometry& g, bool constant) {
  Operand o{};
  o.rank = type.shape.rank();
  o.dtype = static_cast<uint8_t>(type.dtype);
  for (int i = 0; i < o.rank; ++i) {
    o.size[i] = g.size[i].known() ? g.size[i].number() : kUnknown;
    o.stride[i] = g.stride[i].known() ? g.stride[i].number() : kUnknown;
  }
  if (const Quantisation* q = type.quantisation.get()) {
    o.scale = q->scale.data();
    o.zero = q->zero.data();
    o.per_axis = q->axis >= 0 && q->scale.size() > 1;
    o.scale_axis = static_cast<int8_t>(std::max(q->axis, 0));
  }
  o.block_axis = type.layout.block > 1 ? type.layout.axis : int8_t{-1};
  o.block = type.layout.block;
  o.constant = constant;
  o.dense = type.layout.room.rank() == 0;
  return o;
}

int64_t bytes(const Operand& o) {
  int64_t n = o.block;
  for (int i = 0; i < o.rank; ++i) {
    const int64_t count = i == o.block_axis ? (o.size[i] + o.block - 1) / o.block : o.size[i];
    if (__builtin_mul_overflow(n, count, &n)) throw Error(Code::limit, "a tensor does not fit into 63 bits of bytes");
  }
  return storage_bytes(static_cast<DType>(o.dtype), n);
}

std::vector<int64_t> shape_of(const Operand& o) { return {o.size, o.size + o.rank}; }

namespace {

// Calls f(flat index, index in memory, index along the axis of the quantisation).
template <class F>
void elements(const Operand& o, F f) {
  for (Walk at(shape_of(o)); at.more(); at.next()) {
    int64_t memory = 0;
    for (int i = 0; i < o.rank; ++i) {
      const int64_t index = at[static_cast<size_t>(i)];
      memory += i == o.block_axis ? index / o.block * o.stride[i] + index % o.block : index * o.stride[i];
    }
    f(at.flat(), memory, o.per_axis ? at[static_cast<size_t>(o.scale_axis)] : 0);
  }
}

}  // namespace

Array read(const Operand& o, bool exact) {
  const DType type = static_cast<DType>(o.dtype);
  const bool quantised = o.scale != nullptr;
  Array a(quantised ? (exact ? DType::s64 : DType::f32) : type, shape_of(o));
  elements(o, [&](int64_t flat, int64_t memory, int64_t channel) {
    if (type == DType::string) {
      a.strings[flat] = static_cast<const std::string*>(o.data)[memory];
      return;
    }
    if (is_complex(type)) {
      a.cells[2 * flat] = load_cell(type, o.data, 2 * memory);
      a.cells[2 * flat + 1] = load_cell(type, o.data, 2 * memory + 1);
      return;
    }
    Cell c = load_cell(type, o.data, memory);
    if (quantised) {
      const int64_t q = c.integer - o.zero[channel];
      if (exact) c.integer = q;
      else c.real = static_cast<double>(q) * static_cast<double>(o.scale[channel]);
    }
    a.cells[flat] = c;
  });
  return a;
}

Array read(const Value& value, const Operand& o) { return value.type.container == Container::tensor ? read(o) : *static_cast<const Array*>(o.data); }

void write(const Array& a, const Operand& o) {
  const DType type = static_cast<DType>(o.dtype);
  TENON_ASSERT(a.shape == shape_of(o));
  elements(o, [&](int64_t flat, int64_t memory, int64_t channel) {
    if (type == DType::string) {
      static_cast<std::string*>(o.data)[memory] = a.strings[flat];
      return;
    }
    if (is_complex(type)) {
      store_cell(type, o.data, 2 * memory, a.cells[2 * flat]);
      store_cell(type, o.data, 2 * memory + 1, a.cells[2 * flat + 1]);
      return;
    }
    Cell c = a.cells[flat];
    if (o.scale) {
      const double q = std::nearbyint(c.real / static_cast<double>(o.scale[channel])) + o.zero[channel];
      c.integer = static_cast<int64_t>(std::clamp(q, static_cast<double>(lowest(type)), static_cast<double>(highest(type))));
    }
    store_cell(type, o.data, memory, c);
  });
}

}  // namespace tenon
