// What every graph keeps, whoever built or changed it. A breach is a bug of ours, never of a model; text may break it.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.h"

namespace tenon {

enum class Stage {
  portable,  // plain layouts, no reorders
  selected,  // as lowering leaves it
};

// The first rule that g breaks, as a sentence; empty where it keeps them all.
std::string breach(const Graph& g, Stage stage = Stage::portable);
// The same of the programs of scalar functions of one node, before it is inferred.
std::string breach_of_programs(const Node& n);
// Stops the program on a breach, naming who made the graph.
void verify(const Graph& g, Stage stage, std::string_view maker);

// True in debug builds, and where the environment has TENON_VERIFY: every graph is then verified after every pass.
bool verifies();

}  // namespace tenon
