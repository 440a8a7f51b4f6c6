// Memory that held what may be a sealed model's plaintext is wiped before it is given back.
#pragma once

#include <cstddef>

namespace tenon {

// Not removed by the compiler. Whole pages of large memory are given back to the system, which is faster than writing them; `p` is private
// memory of this process, as from malloc.
void wipe_memory(void* p, size_t n);

// Wipes a vector or string when the scope ends; it lives at least as long.
template <class Container>
class WipeAtEnd {
 public:
  explicit WipeAtEnd(Container& held) : held_(held) {}
  ~WipeAtEnd() { wipe_memory(held_.data(), held_.size() * sizeof *held_.data()); }
  WipeAtEnd(const WipeAtEnd&) = delete;

 private:
  Container& held_;
};

}  // namespace tenon
