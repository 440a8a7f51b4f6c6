#include <algorithm>
#include <array>

#include "base/wipe.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

// Steps a reference may take on one node, estimated from above.
constexpr double kMostWork = 1e10;

// No value where the shape is not one of numbers.
std::optional<int64_t> bytes_of(const Type& t) {
  if (!t.shape.known() || t.container != Container::tensor) return std::nullopt;
  double n = 1;
  for (Dim d : t.shape) n *= static_cast<double>(d.number());
  if (n > 1e15) return std::nullopt;
  return storage_bytes(t.dtype, static_cast<int64_t>(n));
}

bool is_whole(const std::vector<Dim>& content) {
  return std::all_of(content.begin(), content.end(), [](Dim d) { return d.known(); });
}

class Folder {
 public:
  Folder(Graph& g, PassContext& context) : sweep_(g), graph_(g), context_(context) {}

  // A constant may tell inference what was unknown before: the target of a reshape, the bounds of a slice.
  void run() {
    sweep_.run([&](Node& n) {
      if (!n.op->effects && (fold_contents(n) || fold_elements(n))) sweep_.drop(n);
    });
  }

 private:
  // Integers that inference knows.
  bool fold_contents(const Node& n) {
    for (ValueId v : n.outputs) {
      if (v == kNone) continue;
      const std::vector<Dim>* content = graph_.content(v);
      if (!content || !is_whole(*content) || !graph_.value(v).type.shape.known()) return false;
    }
    for (ValueId v : n.outputs) {
      if (v == kNone) continue;
      const Type& t = graph_.value(v).type;
      const std::vector<Dim>& content = *graph_.content(v);
      std::vector<char> storage(static_cast<size_t>(storage_bytes(t.dtype, static_cast<int64_t>(content.size()))));
      for (size_t i = 0; i < content.size(); ++i) store_cell(t.dtype, storage.data(), static_cast<int64_t>(i), Cell{.integer = content[i].number()});
      settle(v, std::move(storage));
    }
    return true;
  }

  // Everything computed from constants alone. A weight stays in eight bits where an op may read it so.
  bool fold_elements(const Node& n) {
    if (!n.subgraphs.empty() || !n.op->reference || (n.op == &ops::dequantize && !context_.weights_typed) || !affordable(n)) return false;
    if (n.op == &ops::transpose && bits(graph_.value(n.inputs[0]).type.dtype) >= 8 && !graph_.value(n.inputs[0]).constant->strings) {
      settle(n.outputs[0], transposed(n));
      return true;
    }
    std::vector<Array> arrays(n.inputs.size());
    std::vector<const Array*> in;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      if (n.inputs[i] != kNone) arrays[i] = array_of(graph_.value(n.inputs[i]));
      in.push_back(n.inputs[i] == kNone ? nullptr : &arrays[i]);
    }
    std::vector<Array> out;
    try {
      out = evaluate(n, in);
    } catch (const Error&) {
      return false;  // content that the op refuses is an error of the run
    }
    for (size_t i = 0; i < n.outputs.size(); ++i) {
      if (n.outputs[i] == kNone) continue;
      const Array& a = out[i];
      if (a.dtype == DType::string) {
        settle(n.outputs[i], Constant{nullptr, 0, 0, std::make_shared<const std::vector<std::string>>(a.strings)});
        continue;
      }
      std::vector<char> storage(static_cast<size_t>(storage_bytes(a.dtype, a.count())));
      store(a, a.dtype, storage.data());
      settle(n.outputs[i], std::move(storage));
    }
    return true;
  }

  // Weights may be large, so they move as they are stored.
  std::vector<char> transposed(const Node& n) {
    const Value& src = graph_.value(n.inputs[0]);
    std::vector<char> from(static_cast<size_t>(src.constant->bytes)), to(from.size());
    const WipeAtEnd wipe(from);
    src.constant->source->read(src.constant->offset, src.constant->bytes, from.data());
    const int rank = src.type.shape.rank();
    if (rank == 0 || from.empty()) return std::vector<char>(from);
    std::vector<int64_t> sizes, shape, strides;
    for (Dim d : src.type.shape) sizes.push_back(d.number());
    const std::vector<int64_t> own = strides_of(sizes);
    for (int64_t p : permutation(n, rank)) shape.push_back(sizes[static_cast<size_t>(p)]), strides.push_back(own[static_cast<size_t>(p)]);
    switch (bits(src.type.dtype)) {
      case 8: move<uint8_t>(from.data(), to.data(), shape, strides); break;
      case 16: move<uint16_t>(from.data(), to.data(), shape, strides); break;
      case 32: move<uint32_t>(from.data(), to.data(), shape, strides); break;
      case 64: move<uint64_t>(from.data(), to.data(), shape, strides); break;
      default: move<std::array<uint64_t, 2>>(from.data(), to.data(), shape, strides);
    }
    return to;
  }

  // to, dense and of that shape, gets the elements of `from` at these strides: plane by plane of its last axis and the one along which
  // neighbours in `from` lie, in tiles that the caches hold.
  template <class T>
  static void move(const char* source, char* destination, std::vector<int64_t> shape, std::vector<int64_t> strides) {
    constexpr int64_t kTile = 64;
    const T* from = reinterpret_cast<const T*>(source);
    T* to = reinterpret_cast<T*>(destination);
    const size_t last = shape.size() - 1;
    size_t across = last;
    for (size_t i = 0; i < last; ++i)
      if (strides[i] == 1 && shape[i] > 1) across = i;
    std::vector<int64_t> dense = strides_of(shape), outer = shape;
    const int64_t columns = shape[last], step = strides[last], rows = across == last ? 1 : shape[across], row = dense[across];
    outer[last] = outer[across] = 1;
    for (Walk at(outer); at.more(); at.next()) {
      const T* in = from + at.offset(strides);
      T* out = to + at.offset(dense);
      for (int64_t r0 = 0; r0 < rows; r0 += kTile)
        for (int64_t c0 = 0; c0 < columns; c0 += kTile)
          for (int64_t r = r0; r < std::min(r0 + kTile, rows); ++r)
            for (int64_t c = c0; c < std::min(c0 + kTile, columns); ++c) out[r * row + c] = in[r + c * step];
    }
  }

  bool affordable(const Node& n) {
    int64_t all = 0, largest_in = 1, largest_out = 0;
    for (ValueId v : n.inputs) {
      if (v == kNone) continue;
      const Value& c = graph_.value(v);
      if (!c.constant || c.type.quantisation) return false;
      largest_in = std::max(largest_in, count_of(c.type.shape));
    }
    for (ValueId v : n.outputs) {
      if (v == kNone) continue;
      const std::optional<int64_t> bytes = bytes_of(graph_.value(v).type);
      if (!bytes || *bytes > context_.limits.fold_bytes_node || graph_.value(v).type.quantisation) return false;
      all += *bytes;
      largest_out = std::max(largest_out, count_of(graph_.value(v).type.shape));
    }
    const bool converts = n.op == &ops::cast || n.op == &ops::quantize || n.op == &ops::dequantize;
    const bool once = n.op->moves || n.op->function != kNoFunction || converts;
    if (!once && static_cast<double>(largest_in) * static_cast<double>(largest_out) > kMostWork) return false;
    return context_.folded_bytes + all <= context_.limits.fold_bytes;
  }

  void settle(ValueId id, std::vector<char> storage) {
    const WipeAtEnd wipe(storage);
    const auto bytes = static_cast<int64_t>(storage.size());
    context_.folded_bytes += bytes;
    settle(id, Constant{make_memory_source(storage.data(), bytes), 0, bytes, nullptr});
  }
  void settle(ValueId id, Constant constant) {
    Value& v = graph_.values[id];
    v.constant = std::move(constant);
    v.producer = kNone;
    sweep_.refine(id);
  }

  Sweep sweep_;
  Graph& graph_;
  PassContext& context_;
};

}  // namespace

// What constants alone decide is computed once, now, within the limits on such results.
void fold(Graph& g, PassContext& context) { Folder(g, context).run(); }

}  // namespace tenon
