// tree_ensemble of f32, rows of src dense. A row walks every tree from its root; weights are summed in double, as the reference does, so
// that results do not depend on the level. Rows are the units of work.
#include "ops/tree_ensemble.h"

#include "kernels/cpu/operand.h"
#include "kernels/cpu/simd.h"

namespace tenon::cpu::TENON_ISA {
namespace {

constexpr int64_t kTargets = 64;

const TreeEnsemble& attributes(const Step& s) { return *static_cast<const TreeEnsemble*>(s.attributes); }

const char* reject(const Step& s) {
  if (!is_f32(s.src[0]) || !is_f32(s.src[1]) || !is_f32(*s.dst)) return "src or the splits are not f32";
  if (attributes(s).targets > kTargets) return "there are more than 64 targets";
  if (s.epilogue.count) return "a tree ensemble has no epilogue";
  return reject_gaps(s);
}

Needs needs(const Step&) { return {}; }

float cost(const Step& s) { return 60 + static_cast<float>(s.dst->size[0]) * static_cast<float>(attributes(s).roots.size()) * 12; }

int64_t leaf(const TreeEnsemble& a, int64_t at, const float* row, const float* splits) {
  while (at >= 0) {
    const auto node = static_cast<size_t>(at);
    const float x = row[a.features[node]];
    const bool missing = x != x && !a.missing_is_yes.empty() && a.missing_is_yes[node];
    at = missing || TreeEnsemble::is_yes(a.branches[node], x, splits[node]) ? a.yes[node] : a.no[node];
  }
  return ~at;
}

void run(const Step& s, const Context& context) noexcept {
  const TreeEnsemble& a = attributes(s);
  const float *splits = data(s.src[1]), *weights = data(s.src[2]), *base = has(s, 3) ? data(s.src[3]) : nullptr;
  const int64_t rows = s.src[0].size[0], width = s.src[0].size[1], trees = static_cast<int64_t>(a.roots.size());
  parallel(context, rows, 2000 / (12 * trees + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      double sum[kTargets] = {};
      bool voted[kTargets] = {};
      for (const int64_t root : a.roots) {
        const auto l = static_cast<size_t>(leaf(a, root, data(s.src[0]) + i * width, splits));
        for (int64_t w = a.leaf_begins[l]; w < a.leaf_begins[l + 1]; ++w) {
          const int64_t t = a.weight_targets[static_cast<size_t>(w)];
          const double v = static_cast<double>(weights[w]);
          const bool first = !voted[t];
          voted[t] = true;
          if (a.aggregate == Aggregate::min) sum[t] = first || v < sum[t] ? v : sum[t];
          else if (a.aggregate == Aggregate::max) sum[t] = first || v > sum[t] ? v : sum[t];
          else sum[t] += v;
        }
      }
      float* to = mutable_data(*s.dst) + i * a.targets;
      for (int64_t t = 0; t < a.targets; ++t) {
        const double v = a.aggregate == Aggregate::average && trees ? sum[t] / static_cast<double>(trees) : sum[t];
        to[t] = static_cast<float>(base ? v + static_cast<double>(base[t]) : v);
      }
    }
  });
}

const Kernel kKernels[] = {
    {.name = "tree_ensemble_f32_rows_" TENON_ISA_NAME,
     .op = "tree_ensemble",
     .isa = TENON_ISA_LEVEL,
     .reject = reject,
     .needs = needs,
     .cost = cost,
     .pack = nullptr,
     .run = run},
};

}  // namespace
extern const KernelTable tree_ensemble_table{kKernels, 1};
}  // namespace tenon::cpu::TENON_ISA
