// The .npy reader and writer. The identifier in a test's name (X51, X51a ...) is a case of
// docs/loader_attacks.md.
#include "formats/numpy/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "formats/hostile.h"

namespace tenon::numpy {
namespace {

using hostile::refused;

std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string out("\x93NUMPY", 6);
  out += static_cast<char>(version);
  out += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) out += static_cast<char>(header.size() >> 8 * i);
  return out + header + data;
}

std::string described(const std::string& descr, const std::string& shape, const std::string& data, const char* fortran = "False") {
  return npy("{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n", data);
}

testing::AssertionResult refuses(const std::string& file, std::string_view word) {
  return refused(word, file.size(), [&] { read_npy(file); });
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(T)};
}

TEST(Npy, reads_every_type_as_numpy_writes_it) {
  const OwnedTensor f = read_npy(described("'<f4'", "(2, 3)", bytes_of<float>({1, 2, 3, 4, 5, 6})));
  EXPECT_EQ(text(f), "f32[2, 3]");
  EXPECT_EQ(f.as<float>()[5], 6);
  EXPECT_EQ(text(read_npy(described("'|b1'", "(3,)", {"\0\1\2", 3}))), "bool[3]");
  EXPECT_EQ(read_npy(described("'|b1'", "(3,)", {"\0\1\2", 3})).as<uint8_t>()[2], 1);
  EXPECT_EQ(text(read_npy(described("'<c16'", "()", std::string(16, 0)))), "c128[]");
  EXPECT_EQ(text(read_npy(described("'<u8'", "(0, 5)", ""))), "u64[0, 5]");
  EXPECT_EQ(text(read_npy(described("\"<f2\"", "( 1 ,2)", std::string(4, 0)))), "f16[1, 2]");
  EXPECT_EQ(text(read_npy(npy("{'shape': (1,), 'fortran_order': False, 'descr': '<i4'}", std::string(4, 0), 2))), "s32[1]");
  EXPECT_EQ(text(read_npy(npy("{'shape': (1,), 'fortran_order': False, 'descr': '<i4'}", std::string(4, 0), 3))), "s32[1]");
}

TEST(Npy, writes_what_it_reads) {
  for (DType type : {DType::boolean, DType::s8, DType::u16, DType::s32, DType::u64, DType::f16, DType::f32, DType::f64, DType::c64, DType::c128})
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {1}, {7}, {0, 3}, {2, 3, 4}}) {
      OwnedTensor t(type, shape);
      std::memset(t.data(), 1, static_cast<size_t>(t.view().bytes()));
      const std::string file = write_npy(t);
      EXPECT_EQ((file.size() - static_cast<size_t>(t.view().bytes())) % 64, 0u);
      const OwnedTensor back = read_npy(file);
      EXPECT_EQ(text(back), text(t));
      EXPECT_EQ(std::memcmp(back.data(), t.data(), static_cast<size_t>(t.view().bytes())), 0);
    }
}

TEST(Npy, widens_types_that_numpy_lacks) {
  OwnedTensor half(DType::bf16, {2}), nibbles(DType::s4, {3});
  half.as<uint16_t>()[0] = 0x3f80, half.as<uint16_t>()[1] = 0xc000;
  nibbles.as<uint8_t>()[0] = 0x8f, nibbles.as<uint8_t>()[1] = 0x07;
  const OwnedTensor floats = read_npy(write_npy(half)), bytes = read_npy(write_npy(nibbles));
  EXPECT_EQ(text(floats), "f32[2]");
  EXPECT_EQ(floats.as<float>()[1], -2);
  EXPECT_EQ(text(bytes), "s8[3]");
  EXPECT_EQ(bytes.as<int8_t>()[0], -1);
  EXPECT_EQ(bytes.as<int8_t>()[1], -8);
  EXPECT_EQ(bytes.as<int8_t>()[2], 7);
}

TEST(Npy, writes_strings_as_unicode) {
  OwnedTensor t(DType::string, {2});
  t.as<std::string>()[0] = "a\xc3\xa9";
  t.as<std::string>()[1] = "\xf0\x9f\x98\x80";
  const std::string file = write_npy(t);
  EXPECT_NE(file.find("'<U2'"), std::string::npos);
  const std::u32string points(reinterpret_cast<const char32_t*>(file.data() + file.size() - 16), 4);
  EXPECT_EQ(points, std::u32string(U"a\u00e9\U0001f600\0", 4));
  t.as<std::string>()[0] = "\xc0\x80";
  EXPECT_TRUE(refused("not UTF-8", 0, [&] { write_npy(t); }));
}

TEST(Npy, X51_objects_are_refused) {
  EXPECT_TRUE(refuses(described("'|O'", "(1,)", std::string(8, 0)), "pickled"));
  EXPECT_TRUE(refuses(described("'O'", "()", "\x80\x04."), "pickled"));
}

TEST(Npy, X51a_headers_that_are_none) {
  EXPECT_TRUE(refuses("", "no .npy file"));
  EXPECT_TRUE(refuses("\x93NUMPZ\1\0\0\0", "no .npy file"));
  std::string huge("\x93NUMPY\2\0\0\0\0\x40", 12);
  EXPECT_TRUE(refuses(huge, "header of 1073741824 bytes"));
  EXPECT_TRUE(refuses(std::string("\x93NUMPY\1\0\xff\xff{", 11), "ends within its header"));
  EXPECT_TRUE(refuses(std::string("\x93NUMPY\2\0\1", 9) + std::string(2, 0), "ends within its header"));
  for (int version : {0, 4, 255}) EXPECT_TRUE(refuses(npy("{}", "", version), "of .npy; Tenon reads"));
  EXPECT_TRUE(refuses(npy("", ""), "expected '{'"));
  EXPECT_TRUE(refuses(npy("[1, 2]", ""), "expected '{'"));
  EXPECT_TRUE(refuses(npy("{'descr': '<f4', 'fortran_order': False}", ""), "lacks the key shape"));
  EXPECT_TRUE(refuses(npy("{'descr': '<f4', 'descr': '<f4'}", ""), "descr twice"));
  EXPECT_TRUE(refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", std::string(4, 0)), "unknown key"));
  EXPECT_TRUE(refuses(npy("{'descr': '<' + 'f4', 'fortran_order': False, 'shape': ()}", ""), "expected '}'"));
  EXPECT_TRUE(refuses(npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}", ""), "no quoted text"));
  EXPECT_TRUE(refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", ""), "goes on"));
  EXPECT_TRUE(refuses(npy("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", ""), "neither True nor False"));
  EXPECT_TRUE(refuses(npy("{'descr': '\xff\xfe', 'fortran_order': False, 'shape': ()}", ""), "element type"));
  EXPECT_TRUE(refuses(npy("{'descr': '<f4", ""), "quote that does not end"));
  EXPECT_TRUE(refuses(npy(std::string(60000, '{'), ""), "no quoted text"));
}

TEST(Npy, X51b_shapes_and_sizes_that_lie) {
  const std::string four(16, 0);
  EXPECT_TRUE(refuses(described("'<f4'", "(-4,)", four), "no whole number"));
  EXPECT_TRUE(refuses(described("'<f4'", "(4.0,)", four), "expected ')'"));
  EXPECT_TRUE(refuses(described("'<f4'", "(4)", four), "number in brackets"));
  EXPECT_TRUE(refuses(described("'<f4'", "4", four), "expected '('"));
  EXPECT_TRUE(refuses(described("'<f4'", "(2**40,)", four), "expected ')'"));
  EXPECT_TRUE(refuses(described("'<f4'", "(99999999999999999999,)", four), "18 digits"));
  EXPECT_TRUE(refuses(described("'<f4'", "(4294967296, 4294967296, 4)", four), "2^62"));
  EXPECT_TRUE(refuses(described("'<f4'", "(4294967296, 4294967296, 0, 4)", ""), "2^62"));
  EXPECT_TRUE(refuses(described("'<f4'", "(100000000000000000,)", four), "limit elements"));
  EXPECT_TRUE(refuses(described("'<f4'", "(100000000000,)", four), "16 bytes of elements, the shape asks for 400000000000"));
  EXPECT_TRUE(refuses(described("'<f4'", "(5,)", four), "the shape asks for 20"));
  EXPECT_TRUE(refuses(described("'<f4'", "(3,)", four), "the shape asks for 12"));
  std::string axes;
  for (int i = 0; i < 65; ++i) axes += "1,";
  EXPECT_TRUE(refuses(described("'<f4'", "(" + axes + ")", std::string(4, 0)), "64 axes"));
}

TEST(Npy, X51c_other_orders_are_converted) {
  const OwnedTensor t = read_npy(described("'<i4'", "(2, 3)", bytes_of<int32_t>({0, 3, 1, 4, 2, 5}), "True"));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(t.as<int32_t>()[i], i);
  EXPECT_EQ(read_npy(described("'>i4'", "(1,)", {"\0\0\1\2", 4})).as<int32_t>()[0], 258);
  EXPECT_EQ(read_npy(described("'>i2'", "(2, 2)", {"\0\0\0\2\0\1\0\3", 8}, "True")).as<int16_t>()[3], 3);
  const OwnedTensor c = read_npy(described("'>c8'", "()", {"\x3f\x80\0\0\x40\0\0\0", 8}));
  EXPECT_EQ(c.as<float>()[0], 1);
  EXPECT_EQ(c.as<float>()[1], 2);
}

TEST(Npy, X51c_other_types_are_refused) {
  EXPECT_TRUE(refuses(described("[('a', '<f4')]", "(1,)", std::string(4, 0)), "records"));
  EXPECT_TRUE(refuses(described("'<U4'", "(1,)", std::string(16, 0)), "text"));
  EXPECT_TRUE(refuses(described("'|S4'", "(1,)", std::string(4, 0)), "text"));
  EXPECT_TRUE(refuses(described("'<M8[ns]'", "(1,)", std::string(8, 0)), "dates"));
  EXPECT_TRUE(refuses(described("'|V0'", "(1,)", ""), "raw memory"));
  EXPECT_TRUE(refuses(described("'|S0'", "(1000000000000,)", ""), "text"));
  EXPECT_TRUE(refuses(described("'<f16'", "(1,)", std::string(16, 0)), "none that Tenon reads"));
  EXPECT_TRUE(refuses(described("'<i3'", "(1,)", std::string(3, 0)), "none that Tenon reads"));
  EXPECT_TRUE(refuses(described("'<i0'", "(1,)", ""), "none that Tenon reads"));
  EXPECT_TRUE(refuses(described("'|i4'", "(1,)", std::string(4, 0)), "none that Tenon reads"));
  EXPECT_TRUE(refuses(described("''", "(1,)", ""), "none that Tenon reads"));
}

TEST(Npy, X41_cut_or_changed_anywhere) {
  hostile::mangle(described("'>i2'", "(2, 2)", std::string(8, 1), "True"), [](std::string_view bytes) { read_npy(bytes); });
}

}  // namespace
}  // namespace tenon::numpy
