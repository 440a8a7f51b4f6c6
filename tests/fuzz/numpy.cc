// Fuzzes .npy and .npz. What is read and written back must read the same.
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "formats/numpy/npy.h"
#include "formats/numpy/npz.h"

namespace tenon::numpy {
namespace {

void expect_same(const Tensor& t) {
  const OwnedTensor back = read_npy(write_npy(t));
  if (text(back) != text(t) || (t.bytes() && std::memcmp(back.data(), t.data, static_cast<size_t>(t.bytes())) != 0)) std::abort();
}

void one_input(std::string_view input) {
  LoadLimits limits;
  limits.unpacked_bytes = 1 << 20;
  if (input.starts_with("PK")) {
    for (const auto& [name, tensor] : read_npz(input, limits)) expect_same(tensor);
  } else {
    expect_same(read_npy(input, limits));
  }
}

}  // namespace
}  // namespace tenon::numpy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    tenon::numpy::one_input({reinterpret_cast<const char*>(data), size});
  } catch (const tenon::Error&) {}
  return 0;
}
