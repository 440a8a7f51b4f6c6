// The kernels built in: one table for each family and ISA level, in the order of the levels.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace tenon::cpu {

struct Family {
  const char* name;
  Isa isa;
  // Data. What it points to, `reject` included, is code of the level and runs only where the processor has it: see
  // kernels_up_to() in device/cpu.h.
  const KernelTable* table;
};

std::span<const Family> families();

}  // namespace tenon::cpu
