#include "ops/eye_like.h"

#include <algorithm>

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<EyeLike>();
  n.expect_inputs(1, 1);
  n.expect_rank(0, 2);
  const DType type = a.dtype == DType::none ? n.dtype(0) : a.dtype;
  n.expect(type != DType::string && !is_complex(type), "eye_like makes numbers or bool");
  n.result(type, n.shape(0));
}

void reference(Reference& n) {
  Array& dst = n.out[0];
  const int64_t k = std::clamp(n.attributes<EyeLike>().k, -dst.shape[0], dst.shape[1]);
  for (Walk at(dst.shape); at.more(); at.next()) {
    if (at[1] != at[0] + k) continue;
    if (dst.is_real()) dst.real(at.flat()) = 1;
    else dst.integer(at.flat()) = 1;
  }
}

}  // namespace
const Op ops::eye_like{.name = "eye_like", .attributes = Attributes::make<EyeLike>, .infer = infer, .reference = reference};
}  // namespace tenon
