#include "ops/reverse_sequence.h"

#include "ops/index.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<ReverseSequence>();
  n.expect_inputs(2, 2);
  n.expect(n.rank(0) >= 2, "src of reverse_sequence has two axes or more");
  n.expect((a.batch_axis == 0 && a.time_axis == 1) || (a.batch_axis == 1 && a.time_axis == 0), "batch and time of reverse_sequence are axes 0 and 1");
  n.expect(is_integer(n.dtype(1)), "the lengths of reverse_sequence are integers");
  n.expect_rank(1, 1);
  n.equal(n.size(1, 0), n.size(0, static_cast<int>(a.batch_axis)), "lengths and samples of reverse_sequence");
  n.result(n.dtype(0), n.shape(0));
}

void reference(Reference& n) {
  const auto& a = n.attributes<ReverseSequence>();
  const Array& src = *n.in[0];
  const size_t batch = static_cast<size_t>(a.batch_axis), time = static_cast<size_t>(a.time_axis);
  const std::vector<int64_t> strides = strides_of(src.shape), lengths = numbers(n, 1);
  for (int64_t length : lengths)
    if (length < 0 || length > src.shape[time])
      throw Error(Code::bad_input, "length " + std::to_string(length) + " of reverse_sequence is outside 0 to " + std::to_string(src.shape[time]));
  for (Walk at(src.shape); at.more(); at.next()) {
    const int64_t length = lengths[static_cast<size_t>(at[batch])], t = at[time];
    n.out[0].move(at.flat(), src, at.flat() + (t < length ? length - 1 - 2 * t : 0) * strides[time]);
  }
}

}  // namespace
const Op ops::reverse_sequence{
    .name = "reverse_sequence", .attributes = Attributes::make<ReverseSequence>, .infer = infer, .reference = reference, .moves = true};
}  // namespace tenon
