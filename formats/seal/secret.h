// Memory for keys, passphrases and plaintext. Keys live in one area that is locked, kept out of core dumps and empty in forked
// children; plaintext that is not handed out lives in ordinary memory that is wiped before it is freed.
#pragma once

#include <cstddef>
#include <limits>
#include <new>

#include "formats/seal/bytes.h"

namespace tenon::seal {

void wipe(void* p, size_t n);  // not removed by the compiler
// Vector registers hold the last plaintext until something else is in them; from there a signal, or the dynamic linker when it binds a
// symbol, would save it on a stack.
void wipe_registers();

// The only owner of n bytes in the locked area; wiped when destroyed. Throws Error(resource) when the area (1 MiB) is full.
class Secret {
 public:
  Secret() = default;
  explicit Secret(size_t n);
  explicit Secret(View bytes);
  Secret(Secret&& other) noexcept : data_(other.data_), size_(other.size_), room_(other.room_) {
    other.data_ = nullptr, other.size_ = other.room_ = 0;
  }
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { release(); }

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  operator View() const { return {data_, size_}; }
  std::span<uint8_t> span() { return {data_, size_}; }
  Secret copy() const { return Secret(View(*this)); }
  void shrink(size_t n);  // keeps the first n bytes, wipes the rest

 private:
  void release() noexcept;

  uint8_t* data_ = nullptr;
  size_t size_ = 0, room_ = 0;
};

// False if the system refused to lock the area, which is printed once. Secrets then may reach swap.
bool secrets_are_locked();

template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) {}
  T* allocate(size_t n) {
    if (n > std::numeric_limits<size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(::operator new(n * sizeof(T)));
  }
  void deallocate(T* p, size_t n) noexcept {
    wipe(p, n * sizeof(T));
    ::operator delete(p);
  }
  template <class U>
  void construct(U* p) noexcept {
    ::new (static_cast<void*>(p)) U;
  }  // left as it is: every user fills what it reads
  template <class U, class... A>
  void construct(U* p, A&&... a) {
    ::new (static_cast<void*>(p)) U(static_cast<A&&>(a)...);
  }
  bool operator==(const WipingAllocator&) const { return true; }
};

using WipedBytes = std::vector<uint8_t, WipingAllocator<uint8_t>>;

}  // namespace tenon::seal
