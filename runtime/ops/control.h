#pragma once

#include "ops/loop.h"
#include "ops/op.h"

namespace tenon::ops {

// if: sources are the condition (bool, one element) and the values that the branches capture; subgraphs 0 and 1 are the branches for
// true and false, and both take the captured values as their inputs. A size on which the branches differ is decided by data.
extern const Op if_, loop;

}  // namespace tenon::ops
