#include "kernels/cpu/tables.h"

#define TENON_TABLE(isa, family)           \
  namespace tenon::cpu::isa {              \
  extern const KernelTable family##_table; \
  }
#include "kernels/cpu/tables.inc"
#undef TENON_TABLE

namespace tenon::cpu {
namespace {

#define TENON_TABLE(isa, family) {#family, Isa::isa, &isa::family##_table},
const Family kFamilies[] = {
#include "kernels/cpu/tables.inc"
    {nullptr, Isa::reference, nullptr},  // the end: a build may have no family
};
#undef TENON_TABLE

}  // namespace

std::span<const Family> families() { return {kFamilies, std::size(kFamilies) - 1}; }

}  // namespace tenon::cpu
