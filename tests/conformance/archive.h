// ONNX's backend cases, unpacked once for all test programs.
#pragma once

#include <string>

namespace tenon::conformance {

// The archive in the shared folder.
std::string archive();

#define NEEDS_CASES()                                                         \
  if (!std::filesystem::exists(::tenon::conformance::archive()))              \
  GTEST_SKIP() << "no conformance cases: " << ::tenon::conformance::archive() \
               << " is absent; TENON_SHARED may name the folder that holds conformance/"

// Where the archive is unpacked, once, by whichever process comes first.
const std::string& unpacked();

}  // namespace tenon::conformance
