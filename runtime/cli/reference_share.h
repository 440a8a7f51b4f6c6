// How much of a run the reference takes, for a line that tells why a model is slow.
#pragma once

#include <optional>
#include <string>

#include "tenon.h"

namespace tenon::cli {

struct ReferenceShare {
  int steps = 0, by_reference = 0;
  double share = 0;  // of the time of all steps
  std::string ops;   // "scatter_nd 18, conv_transpose"
};

// Profiles one run on the bound inputs where the plan has steps that run by the reference. No value
// where there is no plan, or where a sealed model does not let its plan be looked at.
std::optional<ReferenceShare> reference_share(const Model& model, Session& session);
// "19 of 140 steps run by the reference and take 95 % of the time: scatter_nd 18, conv_transpose".
std::string text(const ReferenceShare& share);

}  // namespace tenon::cli
