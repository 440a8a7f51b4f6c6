// Fuzzes graphs as text, inference included. What is read and printed must read and print the same.
#include <cstdlib>

#include "base/error.h"
#include "ir/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string printed;
  try {
    printed = tenon::text(tenon::parse_graph({reinterpret_cast<const char*>(data), size}));
  } catch (const tenon::Error&) { return 0; }
  if (printed.find("from bytes") != std::string::npos) return 0;  // the constant is not printed whole
  if (tenon::text(tenon::parse_graph(printed)) != printed) std::abort();
  return 0;
}
