// The order of elements, for ops that sort.
#pragma once

#include "ops/op.h"

namespace tenon {

// -1, 0, 1: element i of a stands before, beside or after element k. NaN comes last and equals itself; strings go by their bytes.
int compare(const Array& a, int64_t i, int64_t k);

}  // namespace tenon
