// Tests of passes are texts: the graph before, and the graph that is expected after.
#pragma once

#include <string_view>

namespace tenon {

// Runs the pass on `before` and expects `after`, whatever values are called. Both are run through the references on the same random
// inputs, and their outputs must agree within `tolerance` of their range; integers, bool and strings must be equal. Symbols are given
// small sizes.
void expect_pass(std::string_view pass, std::string_view before, std::string_view after, double tolerance = 1e-5);
// The whole pipeline in place of one pass.
void expect_pipeline(std::string_view before, std::string_view after, double tolerance = 1e-5);
// The pass leaves the graph as it is.
void expect_unchanged(std::string_view pass, std::string_view graph);

}  // namespace tenon
