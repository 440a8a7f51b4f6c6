// Model-local functions: which one a node calls, and what all calls together would make.
#pragma once

#include <map>
#include <string_view>
#include <tuple>

#include "formats/onnx/model.h"

namespace tenon::onnx {

// "ai.onnx" is the domain without a name.
inline std::string_view domain_of(std::string_view domain) { return domain == "ai.onnx" ? std::string_view() : domain; }

class Functions {
 public:
  // Throws Error(bad_model) for a function that is defined twice or calls itself, directly or not, Error(limit) for calls nested
  // deeper than limits.calls and for more than limits.nodes nodes once every call is expanded. Linear in the model: nothing is expanded.
  void set(const Model& model, const LoadLimits& limits);
  // The function that the node calls, null for an operator.
  const FunctionView* find(const NodeView& n) const;

 private:
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, const FunctionView*> functions_;  // domain, name, overload
};

}  // namespace tenon::onnx
