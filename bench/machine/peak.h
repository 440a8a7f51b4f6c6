// What one core of this machine reaches at most, measured when asked.
#pragma once

#include <cstdint>

namespace tenon::bench {

// Multiply-adds of f32 a second, from registers.
double f32_peak();
// The same of 8-bit integers, by the dot product of the machine.
double int8_peak();
// Bytes a second that are read and written by a copy of `bytes` altogether.
double copy_peak(int64_t bytes);

}  // namespace tenon::bench
