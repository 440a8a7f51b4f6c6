// Stored cases: folders of test_data_set_*/input_*.pb and output_*.pb, as ONNX's backend tests and tools write them.
#pragma once

#include <string>
#include <vector>

#include "cli/compare.h"
#include "tenon.h"

namespace tenon::cli {

// One output of one data set.
struct CaseOutput {
  std::string set, output;
  Difference difference;
};

// Runs every data set of a folder and compares what comes out with what is stored, by ONNX's own bounds. Throws Error(bad_usage) for a
// folder without data sets, and what loading of values and running throw.
std::vector<CaseOutput> run_case(const Model& model, const std::string& folder);

// The bounds of ONNX's backend tests for a result of this type.
Difference compare_as_onnx(const Tensor& got, const Tensor& expected);

}  // namespace tenon::cli
