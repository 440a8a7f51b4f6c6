#include <algorithm>
#include <cmath>
#include <map>

#include "base/half.h"
#include "base/threads.h"
#include "base/wipe.h"
#include "ops/cast.h"
#include "ops/matmul.h"
#include "passes/passes.h"
#include "passes/sweep.h"

namespace tenon {
namespace {

constexpr int64_t kFewRows = 4;                     // with more, arithmetic takes as long as reading f32
constexpr int64_t kCacheBytes = int64_t{32} << 20;  // weights that are more than this are read from memory in each run
constexpr int64_t kLeast = 16 << 10;                // bytes of weights that are worth it
constexpr int64_t kPiece = int64_t{1} << 20;        // bytes that are looked at together

// Memory for pieces of weights that must be read, wiped in the end.
struct Pieces {
  std::vector<float> floats;
  ~Pieces() { wipe_memory(floats.data(), floats.size() * sizeof(float)); }

  Rounding rounding(const Constant& c, DType to) {
    Rounding out;
    if (const void* lies = c.view()) {
      out.add(to, static_cast<const float*>(lies), c.bytes / 4);
      return out;
    }
    if (floats.empty()) floats.resize(static_cast<size_t>(2 * kPiece / 4));
    for (int64_t at = 0, next = 0; at < c.bytes; at = next) {
      next = c.source->unit_end(c.offset + std::min(at + kPiece, c.bytes) - 1) - c.offset;
      next = std::min({next / 4 * 4, at + 2 * kPiece, c.bytes});
      if (next <= at) next = std::min(at + kPiece, c.bytes);
      c.source->read(c.offset + at, next - at, floats.data());
      out.add(to, floats.data(), (next - at) / 4);
    }
    return out;
  }
};

// Rows of the left side of a product, all its leading axes together, where it reads weights of f32: else 0. Counted as 1 where symbols
// decide.
int64_t rows(const Graph& g, const Node& n) {
  if (n.op != &ops::matmul) return 0;
  const Type &a = g.value(n.inputs[0]).type, &b = g.value(n.inputs[1]).type;
  if (a.dtype != DType::f32 || b.dtype != DType::f32 || a.quantisation || b.quantisation || b.shape.rank() < 2) return 0;
  if (!g.is_constant(n.inputs[1]) || g.value(n.inputs[1]).constant->bytes < kLeast) return 0;
  int64_t out = 1;
  for (int i = 0, rank = a.shape.rank(); i < rank; ++i) {
    if (i == (n.attributes.as<Matmul>().transpose_a ? rank - 2 : rank - 1)) continue;
    if (!a.shape[i].known()) return 1;
    out *= a.shape[i].number();
  }
  return out;
}

// Weights that are read faster in sixteen bits by products of 1 to `rows` rows, each with its error.
struct Worth {
  int64_t rows = 1;
  std::map<ValueId, double> errors;
};

Worth worth_rounding(const Graph& g) {
  Worth one{1, {}}, few{kFewRows, {}};
  int64_t bytes = 0;
  for (const Node& n : g.nodes) {
    const int64_t m = n.dead ? 0 : rows(g, n);
    if (m == 1) one.errors[n.inputs[1]] = 0;
    if (m > 0 && m <= kFewRows && few.errors.emplace(n.inputs[1], 0).second) bytes += g.value(n.inputs[1]).constant->bytes;
  }
  return bytes > kCacheBytes ? few : one;
}

void measure(const Graph& g, DType to, int workers, std::map<ValueId, double>& errors) {
  std::vector<std::pair<const ValueId, double>*> all;
  std::vector<std::shared_ptr<void>> held;
  for (auto& each : errors) all.push_back(&each), held.push_back(g.value(each.first).constant->source->hold());
  each_on_threads<Pieces>(workers, all.size(),
                          [&](Pieces& pieces, size_t i) { all[i]->second = pieces.rounding(*g.value(all[i]->first).constant, to).error(); });
}

}  // namespace

// Weights that are read faster in sixteen bits, in the precision that the caller asks for, or that the file stores them in.
void round_weights(Graph& g, PassContext& context) {
  const bool asked = context.precision == Precision::bf16 || context.precision == Precision::fp16;
  const DType to = context.precision == Precision::bf16 ? DType::bf16 : context.precision == Precision::fp16 ? DType::f16 : context.stored;
  if (!is_half(to)) return;
  Worth worth = worth_rounding(g);
  measure(g, to, context.workers, worth.errors);
  std::map<ValueId, ValueId> rounded;
  Sweep s(g);
  s.run([&](Node& n) {
    const int64_t m = rows(g, n);
    if (m == 0 || m > worth.rows) return;
    const ValueId w = n.inputs[1];
    const auto error = worth.errors.find(w);
    if (error == worth.errors.end() || !std::isfinite(error->second) || (!asked && error->second > 0)) return;
    auto [found, fresh] = rounded.try_emplace(w, kNone);
    if (fresh) found->second = s.emit(ops::cast, Cast{.to = to, .error = static_cast<float>(error->second)}, {w});
    Matmul product = n.attributes.as<Matmul>();
    product.to = DType::f32;
    n.attributes = product;
    s.set_input(n, 1, found->second);
  });
}

}  // namespace tenon
