// ONNX models written as text, for tests of whole files:
//
//   opset 17, com.microsoft 1
//   in x: f32[1, 3, h, 4], flag: bool[]        or sequence(f32[2])
//   k: s64[1] = [4]                            an initialiser, its elements in row-major order
//   t, i = TopK(x, k) {axis = -1}              an operator of another domain: com.microsoft.Gelu(x); an omitted input: _
//   y = If(flag)
//     then_branch:
//       a = Shape(t)
//       return a
//     else_branch:
//       b = Shape(x)
//       return b
//   z = Loop(trips, go, t)
//     body(n, c, s):
//       return c, s
//   out y, z: f32[n]                           with or without a declared type
//
// A type without brackets has no shape: f32; a map is map(s64, f32).
//
// An attribute is an integer, a float (with a point), a "string", a list of one of them, or a tensor: {value = f32[1] [2]}.
#pragma once

#include <string>
#include <string_view>

namespace tenon::onnx {

// The bytes of the model. Throws std::runtime_error that quotes the line it does not understand.
std::string model_from_text(std::string_view text);

}  // namespace tenon::onnx
