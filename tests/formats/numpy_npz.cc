// The .npz reader and writer. The identifier in a test's name (X51d ...) is a case of
// docs/loader_attacks.md.
#include "formats/numpy/npz.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <filesystem>

#include "formats/hostile.h"
#include "formats/numpy/npy.h"

namespace tenon::numpy {
namespace {

// A ZIP file of which every field can be made to lie.
struct Zip {
  struct Member {
    std::string name, data;  // data: as stored
    int64_t size = -1;       // unpacked; -1: of data
    int method = 0, flags = 0;
    uint32_t crc = 0;
    bool local64 = false;           // sizes in a ZIP64 field of the local header
    std::string local_name, after;  // local_name: where it differs; after: bytes behind the data
    std::string directory_extra;
    int64_t directory_size = -1, offset = -1;
  };
  std::vector<Member> members;
  std::string before_directory, after_end, comment;
  bool end64 = false;
  int64_t lie64 = 0;  // added to the directory's offset in the ZIP64 end record

  static std::string le(uint64_t v, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> 8 * i);
    return out;
  }

  std::string file() const {
    std::string out, directory;
    for (const Member& m : members) {
      const auto offset = static_cast<uint64_t>(m.offset < 0 ? static_cast<int64_t>(out.size()) : m.offset);
      const auto size = static_cast<uint64_t>(m.size < 0 ? static_cast<int64_t>(m.data.size()) : m.size);
      const auto directory_size = m.directory_size < 0 ? size : static_cast<uint64_t>(m.directory_size);
      const std::string& local = m.local_name.empty() ? m.name : m.local_name;
      const std::string extra = m.local64 ? le(1, 2) + le(16, 2) + le(size, 8) + le(m.data.size(), 8) : "";
      const bool later = m.flags & 8;
      out += le(0x04034b50, 4) + le(20, 2) + le(static_cast<uint64_t>(m.flags), 2) + le(static_cast<uint64_t>(m.method), 2) + le(0, 4) +
             le(later ? 0 : m.crc, 4);
      out += le(m.local64 ? 0xffffffff : later ? 0 : m.data.size(), 4) + le(m.local64 ? 0xffffffff : later ? 0 : size, 4);
      out += le(local.size(), 2) + le(extra.size(), 2) + local + extra + m.data + m.after;
      directory += le(0x02014b50, 4) + le(20, 2) + le(20, 2) + le(static_cast<uint64_t>(m.flags), 2) + le(static_cast<uint64_t>(m.method), 2) +
                   le(0, 4) + le(m.crc, 4);
      directory +=
          le(m.data.size(), 4) + le(directory_size, 4) + le(m.name.size(), 2) + le(m.directory_extra.size(), 2) + le(0, 8) + le(0, 2) + le(offset, 4);
      directory += m.name + m.directory_extra;
    }
    out += before_directory;
    const uint64_t start = out.size(), count = members.size();
    out += directory;
    if (end64) {
      const uint64_t end = out.size();
      out += le(0x06064b50, 4) + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(count, 8) + le(count, 8) + le(directory.size(), 8) +
             le(start + static_cast<uint64_t>(lie64), 8);
      out += le(0x07064b50, 4) + le(0, 4) + le(end, 8) + le(1, 4);
    }
    out += le(0x06054b50, 4) + le(0, 4) + le(count, 2) + le(count, 2) + le(directory.size(), 4) + le(end64 ? 0xffffffff : start, 4);
    return out + le(comment.size(), 2) + comment + after_end;
  }
};

uint32_t crc_of(const std::string& data) { return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size())); }

std::string deflated(const std::string& data) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, data.size()), 0);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data())), z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data()), z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string array(int64_t count = 3) {
  OwnedTensor t(DType::f32, {count});
  for (int64_t i = 0; i < count; ++i) t.as<float>()[i] = static_cast<float>(i % 7);
  return write_npy(t);
}

Zip::Member stored(const std::string& name) {
  Zip::Member m;
  m.name = name, m.data = array(), m.crc = crc_of(m.data);
  return m;
}

Zip::Member compressed(const std::string& name) {
  Zip::Member m;
  const std::string data = array(1000);
  m.name = name, m.data = deflated(data), m.size = static_cast<int64_t>(data.size()), m.crc = crc_of(data), m.method = 8;
  return m;
}

testing::AssertionResult refuses(const Zip& zip, std::string_view word) {
  const std::string file = zip.file();
  return hostile::refused(word, file.size(), [&] { read_npz(file); });
}

testing::AssertionResult refuses(const Zip::Member& member, std::string_view word) { return refuses(Zip{.members = {member}}, word); }

TEST(Npz, reads_stored_and_deflated_members) {
  const NamedTensors t = read_npz(Zip{.members = {stored("a.npy"), compressed("b.npy")}}.file());
  ASSERT_EQ(t.size(), 2u);
  EXPECT_EQ(t[0].first, "a");
  EXPECT_EQ(text(t[0].second), "f32[3]");
  EXPECT_EQ(t[0].second.as<float>()[2], 2);
  EXPECT_EQ(t[1].second.as<float>()[999], 999 % 7);
  EXPECT_EQ(read_npz(Zip{}.file()).size(), 0u);
}

TEST(Npz, reads_zip64_and_descriptors) {
  Zip::Member wide = stored("a.npy");
  wide.local64 = true;
  Zip::Member late = compressed("b.npy");
  late.flags = 8;
  late.after = Zip::le(0x08074b50, 4) + Zip::le(late.crc, 4) + Zip::le(late.data.size(), 4) + Zip::le(static_cast<uint64_t>(late.size), 4);
  EXPECT_EQ(read_npz(Zip{.members = {wide, late}, .end64 = true}.file()).size(), 2u);
  late.after[5] ^= 1;
  EXPECT_TRUE(refuses(late, "repeat the directory"));
}

TEST(Npz, writes_what_it_reads) {
  OwnedTensor a(DType::s64, {2}), b(DType::f32, {0, 3});
  a.as<int64_t>()[0] = -1, a.as<int64_t>()[1] = 1LL << 60;
  const std::string path = (std::filesystem::temp_directory_path() / ("tenon_npz_" + std::to_string(getpid()) + ".npz")).string();
  save_npz(path, {{"a/b", a.view()}, {"empty", b.view()}});
  const NamedTensors back = load_npz(path);
  std::filesystem::remove(path);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].first, "a/b");
  EXPECT_EQ(back[0].second.as<int64_t>()[1], 1LL << 60);
  EXPECT_EQ(text(back[1].second), "f32[0, 3]");
  EXPECT_TRUE(hostile::refused("two tensors", 0, [&] { write_npz({{"a/b", a.view()}, {"a/b", a.view()}}); }));
}

TEST(Npz, X51d_bombs_are_refused_before_they_are_inflated) {
  const std::string zeros = deflated(std::string(64 << 20, 0));
  Zip zip;
  for (int i = 0; i < 40; ++i) {
    Zip::Member m;
    m.name = std::to_string(i) + ".npy", m.data = zeros, m.size = 64 << 20, m.method = 8;
    zip.members.push_back(m);
  }
  EXPECT_TRUE(refuses(zip, "limit unpacked_bytes"));
  // Sizes that lie: inflating stops at them.
  Zip::Member m = compressed("a.npy");
  m.size = 200;
  EXPECT_TRUE(refuses(m, "the shape asks for"));
  m = compressed("a.npy");
  m.data = deflated(array(3) + std::string(64 << 20, 0));
  m.size = static_cast<int64_t>(array(3).size());
  EXPECT_TRUE(refuses(m, "go on after its size"));
  m = compressed("a.npy");
  m.data.resize(m.data.size() / 2);
  EXPECT_TRUE(refuses(m, "damaged or end"));
}

TEST(Npz, X51e_contradictions) {
  Zip::Member m = stored("a.npy");
  m.crc ^= 1;
  EXPECT_TRUE(refuses(m, "checksum"));
  m = stored("a.npy"), m.local_name = "b.npy";
  EXPECT_TRUE(refuses(m, "differs from the directory"));
  m = stored("a.npy"), m.directory_size = 4;
  EXPECT_TRUE(refuses(m, "two sizes differ"));
  m = stored("a.npy"), m.flags = 1;
  EXPECT_TRUE(refuses(m, "encrypted"));
  m = stored("a.npy"), m.flags = 0x40;
  EXPECT_TRUE(refuses(m, "flags"));
  m = stored("a.npy"), m.method = 12;
  EXPECT_TRUE(refuses(m, "compression method 12"));
  for (const char* name : {"../a.npy", "a/../b.npy", "/../a.npy", "a\\..\\b.npy", "a", ".npy"})
    EXPECT_TRUE(refuses(stored(name), "the member")) << name;
  EXPECT_TRUE(refuses(stored(std::string("a\0b.npy", 7)), "zero byte"));
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy"), stored("a.npy")}}, "there twice"));
  Zip::Member again = stored("b.npy");
  again.offset = 0, again.local_name = "a.npy";
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy"), again}}, "overlaps"));
  m = stored("a.npy"), m.after = "hidden";
  EXPECT_TRUE(refuses(m, "belong to no member"));
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy")}, .before_directory = "hidden"}, "belong to no member"));
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy")}, .after_end = "x"}, "data follow its end record"));
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy")}, .comment = "x"}, "no .npz file"));
  m = stored("a.npy"), m.offset = 1 << 20;
  EXPECT_TRUE(refuses(m, "belong to no member"));
}

TEST(Npz, members_have_the_names_of_tensors) {
  float value = 7;
  const Tensor t{DType::f32, {1}, &value};
  const std::vector<std::string> names{"/encoder/Add_output_0", "a/b", "a\\b", "a..b", "x:0", "\xc3\xa4"};
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& n : names) tensors.emplace_back(n, t);
  const std::string bytes = write_npz(tensors);
  const NamedTensors read = read_npz(bytes);
  ASSERT_EQ(read.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) EXPECT_EQ(read[i].first, names[i]);
}

TEST(Npz, X51e_zip64_fields_that_lie) {
  Zip::Member m = stored("a.npy");
  m.directory_size = 0xffffffff;
  EXPECT_TRUE(refuses(m, "shorter than its fields"));
  m.directory_extra = Zip::le(1, 2) + Zip::le(8, 2) + Zip::le(uint64_t{1} << 63, 8);
  EXPECT_TRUE(refuses(m, "2^63"));
  m.directory_extra = Zip::le(1, 2) + Zip::le(8, 2) + Zip::le(uint64_t{1} << 50, 8);
  EXPECT_TRUE(refuses(m, "two sizes differ"));
  m = stored("a.npy");
  m.directory_extra = Zip::le(1, 2) + Zip::le(8, 2) + Zip::le(7, 8);
  EXPECT_TRUE(refuses(m, "nothing refers to"));
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy")}, .end64 = true, .lie64 = 1}, "does not end where"));
  EXPECT_TRUE(refuses(Zip{.members = {stored("a.npy")}, .end64 = true, .lie64 = INT64_MAX - 300}, "does not end where"));
}

TEST(Npz, X41_cut_or_changed_anywhere) {
  Zip::Member wide = stored("a.npy");
  wide.local64 = true;
  hostile::mangle(Zip{.members = {wide, compressed("b.npy")}, .end64 = true}.file(), [](std::string_view bytes) { read_npz(bytes); });
}

}  // namespace
}  // namespace tenon::numpy
