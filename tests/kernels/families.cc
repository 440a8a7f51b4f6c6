// Every family of kernels has a sweep of its own, in a file of its name here.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kernels/cpu/tables.h"

namespace tenon {
namespace {

// gemm_int8: GemmInt8Kernels
std::string suite_of(std::string_view family) {
  std::string out;
  bool start = true;
  for (char c : family) {
    if (c != '_') out += start ? static_cast<char>(std::toupper(c)) : c;
    start = c == '_';
  }
  return out + "Kernels";
}

TEST(Kernels, every_family_has_a_sweep) {
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  std::set<std::string> suites;
  for (int i = 0; i < all.total_test_suite_count(); ++i) suites.insert(all.GetTestSuite(i)->name());
  for (const cpu::Family& f : cpu::families())
    EXPECT_TRUE(suites.count(suite_of(f.name))) << "tests/kernels/" << f.name << ".cc has no suite " << suite_of(f.name);
}

}  // namespace
}  // namespace tenon
