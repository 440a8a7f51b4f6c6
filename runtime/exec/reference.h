// Runs any graph node by node through the references: slow, and the measure of everything else.
#pragma once

#include <functional>
#include <vector>

#include "ops/op.h"

namespace tenon {

// Called with every value as it is computed.
using Observer = std::function<void(const Graph&, ValueId, const Array&)>;

// The outputs of g, whose inputs are given in order. Throws Error(bad_input) when an input does not fit.
std::vector<Array> run_reference(const Graph& g, std::vector<Array> inputs, const Observer& observe = {});

}  // namespace tenon
