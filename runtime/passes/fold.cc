#include <algorithm>
#include <cstring>

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
    if (rank == 0) return std::vector<char>(from);
    std::vector<int64_t> sizes, shape, strides;
    for (Dim d : src.type.shape) sizes.push_back(d.number());
    const std::vector<int64_t> own = strides_of(sizes);
    for (int64_t p : permutation(n, rank)) shape.push_back(sizes[static_cast<size_t>(p)]), strides.push_back(own[static_cast<size_t>(p)]);
    const int64_t row = shape.back(), step = strides.back();
    shape.pop_back(), strides.pop_back();
    const size_t size = static_cast<size_t>(bits(src.type.dtype)) / 8;
    char* at = to.data();
    for (Walk rows(shape); rows.more() && row > 0; rows.next()) {
      const char* first = from.data() + static_cast<size_t>(rows.offset(strides)) * size;
      for (int64_t i = 0; i < row; ++i, at += size) std::memcpy(at, first + static_cast<size_t>(i * step) * size, size);
    }
    return to;
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
    const bool once = n.op->moves || n.op->function != kNoFunction;
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
