#pragma once

namespace tenon {

// What arithmetic may be done in. The others are asked for, never chosen.
// model       as the model says
// bf16, fp16  constant right sides of matrix products are rounded to bfloat16 or half precision and stored so, where that saves time:
//             with one row, with up to 4 rows where all such weights are more than a cache holds, and where the number of rows is
//             not known. Products and sums stay f32. A cast in the graph shows each with its error. Weights of which a number is
//             beyond the type stay as they are.
// int8        as the model says, which must be quantised: else Error(not_supported)
enum class Precision { model, bf16, fp16, int8 };

}  // namespace tenon
