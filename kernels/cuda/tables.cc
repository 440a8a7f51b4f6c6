#include "kernels/cuda/tables.h"

namespace tenon::cuda {

#define TENON_TABLE(family) extern const KernelTable family##_table;
#include "kernels/cuda/tables.inc"
#undef TENON_TABLE

namespace {

#define TENON_TABLE(family) &family##_table,
const KernelTable* const kFamilies[] = {
#include "kernels/cuda/tables.inc"
    nullptr,  // the end: a build may have no family
};
#undef TENON_TABLE

}  // namespace

std::span<const KernelTable* const> families() { return {kFamilies, std::size(kFamilies) - 1}; }

}  // namespace tenon::cuda
