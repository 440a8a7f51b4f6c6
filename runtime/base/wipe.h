// Memory that held what may be a sealed model's plaintext is wiped before it is given back.
#pragma once

#include <cstring>

namespace tenon {

// Wipes a vector or string when the scope ends; it lives at least as long.
template <class Container>
class WipeAtEnd {
 public:
  explicit WipeAtEnd(Container& held) : held_(held) {}
  ~WipeAtEnd() {
    if (!held_.empty()) explicit_bzero(held_.data(), held_.size() * sizeof *held_.data());
  }
  WipeAtEnd(const WipeAtEnd&) = delete;

 private:
  Container& held_;
};

}  // namespace tenon
