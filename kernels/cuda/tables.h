// The CUDA kernels built in: one table for each family, none in a build without CUDA.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace tenon::cuda {

std::span<const KernelTable* const> families();

}  // namespace tenon::cuda
