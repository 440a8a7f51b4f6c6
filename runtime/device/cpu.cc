#include "device/cpu.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "kernels/cpu/tables.h"

namespace tenon {
namespace {

struct Level {
  Isa isa;
  std::string_view name;
  bool supported;
};

const std::vector<Level>& levels() {
  static const std::vector<Level> all = {
#define TENON_LEVEL(isa, check) {Isa::isa, #isa, check},
#include "kernels/cpu/levels.inc"
#undef TENON_LEVEL
  };
  return all;
}

}  // namespace

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::reference: return "reference";
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512vnni: return "avx512vnni";
    case Isa::neon: return "neon";
  }
  return "unknown";
}

bool is_isa(std::string_view text) {
  return text == name(Isa::reference) || std::ranges::any_of(levels(), [&](const Level& l) { return l.name == text; });
}

Isa isa_named(std::string_view text) {
  if (text == name(Isa::reference)) return Isa::reference;
  std::string known(name(Isa::reference));
  for (const Level& level : levels()) {
    if (level.name == text) return level.isa;
    known.append(", ").append(level.name);
  }
  throw Error(Code::bad_usage, "no ISA level is named \"" + printable(text) + "\"; this build has " + known);
}

const std::vector<Isa>& isa_levels() {
  static const std::vector<Isa> all = [] {
    std::vector<Isa> isas;
    for (const Level& level : levels()) isas.push_back(level.isa);
    return isas;
  }();
  return all;
}

bool supports(Isa isa) {
  return std::ranges::any_of(levels(), [&](const Level& l) { return l.isa == isa && l.supported; });
}

Isa best_isa() {
  const char* text = std::getenv("TENON_ISA_MAX");
  const Isa cap = text && *text      ? within([] { return "TENON_ISA_MAX"; }, [&] { return isa_named(text); })
                  : levels().empty() ? Isa::reference
                                     : levels().back().isa;
  Isa best = Isa::reference;
  for (const Level& level : levels())
    if (level.supported && level.isa <= cap) best = level.isa;
  return best;
}

std::vector<const Kernel*> kernels_up_to(Isa cap) {
  std::vector<const Kernel*> kernels;
  for (const cpu::Family& family : cpu::families())
    if (family.isa <= cap && supports(family.isa))
      for (int32_t k = 0; k < family.table->count; ++k) kernels.push_back(&family.table->kernels[k]);
  return kernels;
}

}  // namespace tenon
