#include "ops/index.h"

namespace tenon {

std::vector<int64_t> numbers(const Reference& n, int source) {
  std::vector<int64_t> out = n.integers(source);
  for (int64_t v : out)
    if (n.extents && !Dim(v).known())
      throw Error(Code::not_supported, "element " + n.extents->text(Dim(v)) + " of input " + std::to_string(source) + " is not a number");
  return out;
}

int64_t index_at(const Reference& n, int source, int64_t element, int64_t size) {
  const int64_t index = n.in[static_cast<size_t>(source)]->integer(element);
  if (index < -size || index >= size)
    throw Error(Code::bad_input, "index " + std::to_string(index) + " at element " + std::to_string(element) + " of input " + std::to_string(source) +
                                     " is outside an axis of " + std::to_string(size) + " elements");
  return from_front(index, size);
}

}  // namespace tenon
