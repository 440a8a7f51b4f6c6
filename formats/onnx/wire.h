// One protobuf message, field by field. Every field is checked before it is used: its number, its wire type, its length.
#pragma once

#include <array>
#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string_view>

namespace tenon::onnx {

using Bytes = std::string_view;

class Wire {
 public:
  // `what` names the message in errors, such as "a node".
  Wire(Bytes message, const char* what) : reader_(message.data(), message.size()), what_(what) {}

  // Steps to the next field; the one before must have been consumed. Throws Error(bad_model), as all below.
  bool next();
  uint32_t field() const { return reader_.tag(); }
  bool is_list() const { return reader_.wire_type() == protozero::pbf_wire_type::length_delimited; }

  int64_t integer();
  float real();
  double wide_real();
  Bytes bytes();
  // Bytes that are UTF-8 and at most kMostName of them: names, which messages and maps repeat.
  std::string_view name();
  void skip();
  // What is left of the message: before next(), from the tag of the next field on.
  Bytes rest() const { return {reader_.data().data(), reader_.data().size()}; }

  // Calls f(int64_t), or f(float), f(double), for each number of a repeated field, packed or not.
  template <class F>
  void integers(F f) {
    if (!is_list()) return void(f(integer()));
    const Bytes all = bytes();
    const char *at = all.data(), *end = at + all.size();
    while (at != end) f(static_cast<int64_t>(varint(&at, end)));
  }
  template <class T, class F>
  void reals(F f) {
    if (!is_list()) {
      if constexpr (sizeof(T) == 4) f(real());
      else f(wide_real());
      return;
    }
    const Bytes all = packed(sizeof(T));
    for (size_t i = 0; i < all.size(); i += sizeof(T)) {
      T value;
      std::memcpy(&value, all.data() + i, sizeof(T));
      f(value);
    }
  }
  // How many numbers that field holds, without consuming it: fixed of `width` bytes, or varints for width 0.
  int64_t numbers(size_t width) const;

  static constexpr size_t kMostName = 64 << 10;
  static constexpr uint32_t kCounted = 32;  // fields of a larger number are counted as 0
  // How often each field occurs.
  static std::array<int64_t, kCounted> count(Bytes message, const char* what);

 private:
  [[noreturn]] void refuse(const char* why) const;
  void expect(protozero::pbf_wire_type wire) const;
  uint64_t varint(const char** at, const char* end) const;
  Bytes packed(size_t width);

  protozero::pbf_reader reader_;
  const char* what_;
};

bool is_utf8(std::string_view text);

}  // namespace tenon::onnx
