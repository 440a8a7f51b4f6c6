// Stored cases: folders of test_data_set_*/input_*.pb and output_*.pb, as ONNX's backend tests and tools write them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "exec/compare.h"
#include "tenon.h"

namespace tenon::cli {

// One output of one data set.
struct CaseOutput {
  std::string set, output;
  Difference difference;
};

// As compare() takes them; what is not given is what ONNX's backend tests allow: 1e-3 (0x1p-6 for bf16) and 1e-7.
struct Bounds {
  std::optional<double> relative, absolute;
};

// Runs every data set of a folder and compares what comes out with what is stored. Throws Error(bad_usage) for a folder without data
// sets, and what loading of values and running throw.
std::vector<CaseOutput> run_case(const Model& model, const std::string& folder, const Bounds& bounds = {});

Difference compare_within(const Tensor& got, const Tensor& expected, const Bounds& bounds = {});

}  // namespace tenon::cli
