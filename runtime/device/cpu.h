// What the processor has. Built for the lowest level, and the only way from the runtime to kernel code: nothing of a level but its
// tables is read before the check here has passed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernel.h"

namespace tenon {

std::string_view name(Isa isa);      // "avx2"
bool is_isa(std::string_view name);  // whether a level of this build has the name, or it is "reference"
// Throws Error(bad_usage) that lists the levels of this build where no level has the name.
Isa isa_named(std::string_view name);

// The levels of this build, lowest first.
const std::vector<Isa>& isa_levels();

// Whether this build has the level and this processor can run it.
bool supports(Isa isa);

// The highest supported level, no higher than the environment's TENON_ISA_MAX; Isa::reference where nothing is left.
// Throws Error(bad_usage) when TENON_ISA_MAX names no level.
Isa best_isa();

// The kernels of every supported level up to and including `cap`, in the order of the levels and, within one, of the families.
std::vector<const Kernel*> kernels_up_to(Isa cap);

}  // namespace tenon
