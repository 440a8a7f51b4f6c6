#include "cli/reference_share.h"

#include <algorithm>
#include <map>
#include <vector>

#include "cli/table.h"

namespace tenon::cli {

std::optional<ReferenceShare> reference_share(const Model& model, Session& session) {
  ReferenceShare out;
  std::vector<StepTime> times;
  try {
    const PlanReport plan = model.explain();
    out.steps = static_cast<int>(plan.steps.size()), out.by_reference = plan.by_reference;
    if (plan.by_reference) times = session.profile();
  } catch (const Error&) { return std::nullopt; }
  double all = 0, slow = 0;
  std::map<std::string, int> ops;
  for (const StepTime& t : times) {
    all += t.nanoseconds;
    if (t.kernel != "reference") continue;
    slow += t.nanoseconds;
    ++ops[t.op];
  }
  out.share = all > 0 ? slow / all : 0;
  std::vector<std::pair<std::string, int>> sorted(ops.begin(), ops.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [op, count] : sorted) {
    if (!out.ops.empty()) out.ops += ", ";
    out.ops += count > 1 ? op + " " + std::to_string(count) : op;
  }
  return out;
}

std::string text(const ReferenceShare& s) {
  if (!s.by_reference) return "no step runs by the reference";
  std::string out = std::to_string(s.by_reference) + " of " + std::to_string(s.steps) +
                    " steps run by the reference and take " +
                    number_text("%.0f %%", 100 * s.share) + " of the time";
  if (!s.ops.empty()) out += ": " + s.ops;
  return out;
}

}  // namespace tenon::cli
