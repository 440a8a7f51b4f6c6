// Graphs as text, for dumps and for the tests of passes: what `text` prints, `parse_graph` reads.
//
//   graph main(%x: f32[n, 3, h, w], %scale: f32[])
//     %weight = constant f32[2, 3, 1, 1] [0.5, 1, 1.5, -1, -2, 4]
//     %a: f32[n, 2, h, w] = conv(%x, %weight, _, %scale) {strides = [1, 1]} then mul(0, 1); relu(2)
//     %b = clip(%a, f32 0, f32 6)
//     %c = pointwise(%a, %b) {add(0, 1); neg(2)}
//     %d = if(%flag, %c)
//       graph then(%c: f32[n, 2, h, w])
//         return %c
//       graph else(%c: f32[n, 2, h, w])
//         ...
//     tie %d -> %x
//     return %d, %b
//
// `_` is an omitted input or output. The type of a result may be left out: it is what inference finds; where it is given it must say
// the same, save for storage (layout, quantisation), which it then decides. Programs name their operands by number: 0 is the result
// of the op (of pointwise: its first input), then come the last inputs, then the results of the rows before. Constants of few
// elements may stand where they are read (`f32 0`, `s64[2] [0, -1]`). `constant f32[64, 3] random 7` draws its elements from [-1, 1),
// or from the integers -8 to 7 (0 to 15 without sign) as far as the type holds them; `from bytes 768` is printed in place of many elements, and
// refused by the parser. `#` begins a comment.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.h"

namespace tenon {

// Without elements, constants beyond scalars and short lists of integers are printed by their size.
std::string text(const Graph& g, bool with_types = true, bool with_elements = true);
// One node on one line, types included, without its subgraphs.
std::string text(const Graph& g, const Node& node);
// Values numbered in the order they are printed, whatever they are called, and no types: equal for equal graphs.
std::string canonical_text(const Graph& g);

// Throws Error(bad_model) that names the line and what was expected there, and what inference throws.
Graph parse_graph(std::string_view text);

}  // namespace tenon
