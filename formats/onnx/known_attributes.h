// Which attributes the operators of the standard have: one that no version of an operator has
// cannot change what the standard says the operator does.
#pragma once

#include <string_view>

namespace tenon::onnx {

enum class Attribution {
  unknown_operator,  // the operator is not of the standard
  of_operator,       // some version of the operator has the attribute
  foreign,           // no version has it
};

// `domain` is "" or "ai.onnx.ml".
Attribution attribution(std::string_view domain, std::string_view op, std::string_view attribute);

}  // namespace tenon::onnx
