#include "device/cpu.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/error.h"

namespace tenon {
namespace {

// Sets TENON_ISA_MAX for its lifetime and puts back what stood there.
class Cap {
 public:
  explicit Cap(const std::string& value) {
    if (const char* old = getenv("TENON_ISA_MAX")) old_ = old;
    setenv("TENON_ISA_MAX", value.c_str(), 1);
  }
  ~Cap() { old_.empty() ? unsetenv("TENON_ISA_MAX") : setenv("TENON_ISA_MAX", old_.c_str(), 1); }

 private:
  std::string old_;
};

TEST(Cpu, runs_the_lowest_level_of_its_build) { EXPECT_TRUE(supports(isa_levels().front())); }

TEST(Cpu, obeys_the_cap) {
  for (Isa isa : isa_levels()) {
    Cap cap{std::string(name(isa))};
    EXPECT_LE(best_isa(), isa);
    if (supports(isa)) { EXPECT_EQ(best_isa(), isa); }
    for (const Kernel* kernel : kernels_up_to(best_isa())) EXPECT_LE(kernel->isa, isa) << kernel->name;
  }
  Cap cap("reference");
  EXPECT_EQ(best_isa(), Isa::reference);
  EXPECT_TRUE(kernels_up_to(best_isa()).empty());
}

TEST(Cpu, refuses_a_cap_that_names_no_level) {
  Cap cap("sse9");
  try {
    best_isa();
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::bad_usage);
    for (Isa isa : isa_levels()) EXPECT_NE(std::string(e.what()).find(name(isa)), std::string::npos) << e.what();
  }
}

TEST(Cpu, kernels_carry_the_level_of_their_table) {
  for (Isa isa : isa_levels())
    for (const Kernel* kernel : kernels_up_to(isa)) {
      EXPECT_TRUE(supports(kernel->isa)) << kernel->name;
      EXPECT_TRUE(std::string_view(kernel->name).ends_with(name(kernel->isa))) << kernel->name;
      EXPECT_EQ(kernel->device, Device::cpu) << kernel->name;
    }
}

}  // namespace
}  // namespace tenon
