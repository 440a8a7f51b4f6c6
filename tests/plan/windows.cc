// Values that are windows of larger memory, such as the cache of a decoder: kernels that go by strides read them where they lie, the others
// get a copy, and none leaves the step to the reference.
#include <gtest/gtest.h>

#include <algorithm>

#include "device/cpu.h"
#include "ir/text.h"
#include "passes/pipeline.h"
#include "plan/plan.h"

namespace tenon {
namespace {

std::shared_ptr<const Plan> planned(std::string_view body) {
  Graph g = parse_graph("graph(%x: f32[1, 2, s, 4], %past: f32[1, 2, p, 4])\n  %present = concat(%past, %x) {axis = 2}\n" + std::string(body) +
                        "\n  tie %present -> %past\n  return %y, %present\n");
  run_pass("append_state", g, {});
  PlanOptions options;
  options.isa = best_isa();
  return make_plan(std::move(g), options);
}

int count(const Plan& plan, std::string_view op) {
  return static_cast<int>(std::count_if(plan.graph.nodes.begin(), plan.graph.nodes.end(), [&](const Node& n) { return n.op->name == op; }));
}

TEST(Windows, are_read_where_they_lie_by_kernels_that_go_by_strides) {
  const auto plan = planned("  %y = transpose(%present) {perm = [0, 1, 3, 2]}");
  EXPECT_EQ(count(*plan, "append"), 1);
  EXPECT_EQ(plan->summary.by_reference, 0);
  EXPECT_EQ(count(*plan, "reorder"), 0);
}

TEST(Windows, are_copied_for_kernels_that_take_no_gaps) {
  for (const char* body :
       {"  %y = softmax(%present)", "  %g = constant f32[4] random 1\n  %y = rms_norm(%present, %g)", "  %y = cast(%present) {to = f16}"}) {
    const auto plan = planned(body);
    EXPECT_EQ(count(*plan, "append"), 1) << body;
    EXPECT_EQ(plan->summary.by_reference, 0) << body;
    EXPECT_EQ(count(*plan, "reorder"), 1) << body;
  }
}

}  // namespace
}  // namespace tenon
