#include "formats/numpy/npz.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "formats/numpy/npy.h"
#include "formats/weights.h"

namespace tenon::numpy {
namespace {

// Section names are those of PKWARE's APPNOTE 6.3.
constexpr uint32_t kLocalMark = 0x04034b50, kEntryMark = 0x02014b50, kEndMark = 0x06054b50, kEnd64Mark = 0x06064b50, kLocator64Mark = 0x07064b50,
                   kDescriptorMark = 0x08074b50;
constexpr int64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocator64Bytes = 20;
constexpr uint16_t kFlagEncrypted = 1, kFlagDescriptor = 8, kFlagUtf8 = 0x800, kFlagsOfDeflate = 6;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint32_t kIn64 = 0xffffffff;

[[noreturn]] void refuse(const std::string& what) { throw Error(Code::bad_input, what); }

// Little-endian fields, one after the other, within bounds.
class Fields {
 public:
  Fields(std::string_view bytes, int64_t at, int64_t size) {
    const auto all = static_cast<int64_t>(bytes.size());
    if (at < 0 || size < 0 || size > all || at > all - size) refuse("the archive is cut, or a field points beyond its end");
    bytes_ = bytes.substr(static_cast<size_t>(at), static_cast<size_t>(size));
  }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  // A size or an offset.
  int64_t u63() {
    const uint64_t v = number(8);
    if (v >> 63) refuse("a size of more than 2^63 bytes");
    return static_cast<int64_t>(v);
  }
  std::string_view text(size_t size) {
    need(size);
    const std::string_view out = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return out;
  }
  size_t left() const { return bytes_.size(); }

 private:
  void need(size_t size) const {
    if (bytes_.size() < size) refuse("a record of the archive is shorter than its fields");
  }
  uint64_t number(size_t size) {
    need(size);
    uint64_t v = 0;
    for (size_t i = size; i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes_[i]);
    bytes_.remove_prefix(size);
    return v;
  }

  std::string_view bytes_;
};

struct Member {
  std::string name;  // with ".npy"
  uint16_t flags = 0, method = 0;
  uint32_t crc = 0;
  int64_t packed = 0, size = 0;  // bytes in the archive, and when unpacked
  int64_t offset = 0;            // of the local header
  std::string_view data;
};

struct Directory {
  int64_t offset = 0, bytes = 0, entries = 0;
};

// Sizes of 2^32 - 1 stand for 64-bit ones in the extra field of kind 1, in this order.
void resolve64(std::string_view extra, std::initializer_list<int64_t*> sizes) {
  std::string_view found;
  bool has = false;
  Fields records(extra, 0, static_cast<int64_t>(extra.size()));
  while (records.left() > 0) {
    const uint16_t kind = records.u16(), size = records.u16();
    const std::string_view body = records.text(size);
    if (kind != 1) continue;
    if (std::exchange(has, true)) refuse("two ZIP64 fields in one record");
    found = body;
  }
  Fields fields(found, 0, static_cast<int64_t>(found.size()));
  for (int64_t* size : sizes)
    if (*size == kIn64) *size = fields.u63();
  if (fields.left() > 0) refuse("a ZIP64 field that nothing refers to");
}

Directory find_directory(std::string_view bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size < kEndBytes) refuse("this is no .npz file: it has " + std::to_string(size) + " bytes");
  int64_t end = size - kEndBytes;
  Fields f(bytes, end, kEndBytes);
  if (f.u32() != kEndMark) refuse("this is no .npz file, or it is cut, or data follow its end record");
  const uint16_t disk = f.u16(), first_disk = f.u16(), entries_here = f.u16();
  Directory d;
  d.entries = f.u16(), d.bytes = f.u32(), d.offset = f.u32();
  const bool in64 = d.entries == 0xffff || d.bytes == kIn64 || d.offset == kIn64;
  if (disk || first_disk || entries_here != d.entries) refuse("the archive is in several parts");
  if (f.u16() != 0) refuse("the archive has a comment");
  if (in64) {
    end -= kLocator64Bytes;
    Fields locator(bytes, end, kLocator64Bytes);
    if (locator.u32() != kLocator64Mark) refuse("the ZIP64 locator is missing");
    const uint32_t locator_disk = locator.u32();
    const int64_t at = locator.u63();
    if (locator_disk || locator.u32() != 1) refuse("the archive is in several parts");
    end -= kEnd64Bytes;
    if (at != end) refuse("the ZIP64 end record is not where the locator says");
    Fields f64(bytes, end, kEnd64Bytes);
    if (f64.u32() != kEnd64Mark || f64.u63() != kEnd64Bytes - 12) refuse("the ZIP64 end record is damaged");
    f64.u32();  // versions
    const uint32_t disk64 = f64.u32(), first_disk64 = f64.u32();
    const int64_t here64 = f64.u63();
    Directory d64;
    d64.entries = f64.u63(), d64.bytes = f64.u63(), d64.offset = f64.u63();
    if (disk64 || first_disk64 || here64 != d64.entries) refuse("the archive is in several parts");
    if ((d.entries != 0xffff && d.entries != d64.entries) || (d.bytes != kIn64 && d.bytes != d64.bytes) ||
        (d.offset != kIn64 && d.offset != d64.offset))
      refuse("the two end records differ");
    d = d64;
  }
  if (d.bytes > end || d.offset != end - d.bytes) refuse("the directory does not end where the end record begins");
  if (d.entries > d.bytes / kEntryBytes) refuse("the directory is too small for " + std::to_string(d.entries) + " members");
  return d;
}

void check_name(const std::string& name) {
  const auto bad = [&](const char* why) { refuse("the member \"" + printable(name) + "\" " + why); };
  if (name.size() <= 4 || name.compare(name.size() - 4, 4, ".npy") != 0) bad("is no .npy array");
  // Slashes belong to the names of tensors ("/encoder/Add_output_0"): no name ever becomes a path.
  if (name.find('\0') != std::string::npos) bad("has a name with a zero byte");
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find_first_of("/\\", begin), name.size());
    if (name.compare(begin, end - begin, "..") == 0) bad("has a name with the component \"..\"");
    begin = end + 1;
  }
}

void check_method(const Member& m) {
  if (m.flags & kFlagEncrypted) throw Error(Code::not_supported, "it is encrypted");
  if (m.flags & ~(kFlagDescriptor | kFlagUtf8 | kFlagsOfDeflate)) throw Error(Code::not_supported, "it has flags that Tenon does not know");
  if (m.method != kStored && m.method != kDeflated)
    throw Error(Code::not_supported, "compression method " + std::to_string(m.method) + "; only stored and deflated members are read");
  if (m.method == kStored && m.packed != m.size) refuse("it is stored, but its two sizes differ");
}

std::vector<Member> read_directory(std::string_view bytes, const Directory& d, const LoadLimits& limits) {
  if (d.entries > limits.tensors)
    throw Error(Code::limit, std::to_string(d.entries) + " members (limit tensors: " + std::to_string(limits.tensors) + ")");
  std::vector<Member> members;
  std::set<std::string> names;
  Fields f(bytes, d.offset, d.bytes);
  for (int64_t i = 0; i < d.entries; ++i) {
    if (f.u32() != kEntryMark) refuse("entry " + std::to_string(i) + " of the directory is damaged");
    Member m;
    f.u32();  // versions
    m.flags = f.u16(), m.method = f.u16();
    f.u32();  // time and date
    m.crc = f.u32(), m.packed = f.u32(), m.size = f.u32();
    const uint16_t name = f.u16(), extra = f.u16(), comment = f.u16(), disk = f.u16();
    f.u16(), f.u32();  // attributes
    m.offset = f.u32();
    m.name = f.text(name);
    resolve64(f.text(extra), {&m.size, &m.packed, &m.offset});
    f.text(comment);
    if (disk) refuse("the archive is in several parts");
    check_name(m.name);
    if (!names.insert(m.name).second) refuse("the member \"" + printable(m.name) + "\" is there twice");
    within([&] { return "member \"" + printable(m.name) + "\""; }, [&] { check_method(m); });
    members.push_back(std::move(m));
  }
  if (f.left() > 0) refuse("the directory has more bytes than entries");
  return members;
}

// Bytes of the data descriptor at `at`, which repeats CRC and sizes after the data, in one of four spellings.
int64_t descriptor_bytes(std::string_view bytes, int64_t at, int64_t room, const Member& m) {
  for (const bool marked : {true, false})
    for (const int width : {4, 8}) {
      const int64_t size = (marked ? 8 : 4) + 2 * width;
      if (size > room) continue;
      Fields f(bytes, at, size);
      if (marked && f.u32() != kDescriptorMark) continue;
      if (f.u32() != m.crc) continue;
      const int64_t packed = width == 4 ? f.u32() : f.u63(), unpacked = width == 4 ? f.u32() : f.u63();
      if (packed == m.packed && unpacked == m.size) return size;
    }
  refuse("the record after its data does not repeat the directory");
}

// Finds the member's data behind its local header, which must say what the directory says. Returns where the next member starts.
int64_t locate(std::string_view bytes, Member& m, int64_t limit) {
  Fields f(bytes, m.offset, kLocalBytes);
  if (f.u32() != kLocalMark) refuse("its local header is damaged");
  f.u16();  // version
  const uint16_t flags = f.u16(), method = f.u16();
  f.u32();  // time and date
  const uint32_t crc = f.u32();
  int64_t packed = f.u32(), size = f.u32();
  const uint16_t name_bytes = f.u16(), extra_bytes = f.u16();
  Fields rest(bytes, m.offset + kLocalBytes, int64_t{name_bytes} + extra_bytes);
  const std::string_view name = rest.text(name_bytes), extra = rest.text(extra_bytes);
  const bool later = flags & kFlagDescriptor;
  if (name != m.name || flags != m.flags || method != m.method) refuse("its local header differs from the directory");
  if (!(later && !crc && !packed && !size)) {
    const bool zero_until_later = later && !crc;
    if (packed == kIn64 || size == kIn64) resolve64(extra, {&size, &packed});
    if (!zero_until_later && (crc != m.crc || packed != m.packed || size != m.size)) refuse("its local header differs from the directory");
  }
  const int64_t begin = m.offset + kLocalBytes + name_bytes + extra_bytes;
  if (begin > limit || m.packed > limit - begin) refuse("its data overlap what follows");
  m.data = bytes.substr(static_cast<size_t>(begin), static_cast<size_t>(m.packed));
  const int64_t end = begin + m.packed;
  return later ? end + descriptor_bytes(bytes, end, limit - end, m) : end;
}

// Every byte before the directory belongs to exactly one member.
void locate_all(std::string_view bytes, const Directory& d, std::vector<Member>& members) {
  std::vector<Member*> order;
  for (Member& m : members) order.push_back(&m);
  std::sort(order.begin(), order.end(), [](const Member* a, const Member* b) { return a->offset < b->offset; });
  int64_t at = 0;
  for (Member* m : order)
    within([&] { return "member \"" + printable(m->name) + "\""; },
           [&] {
             if (m->offset < at) refuse("it overlaps the member before it");
             if (m->offset > at) refuse("there are bytes before it that belong to no member");
             at = locate(bytes, *m, d.offset);
           });
  if (at != d.offset) refuse("there are bytes before the directory that belong to no member");
}

// A member's bytes, inflated where need be, and never more than its size.
class MemberStream : public Stream {
 public:
  explicit MemberStream(const Member& m) : m_(m), left_(m.size), packed_(m.data) {
    if (m.method == kDeflated && inflateInit2(&z_, -MAX_WBITS) != Z_OK) throw Error(Code::resource, "no memory to inflate");
  }
  ~MemberStream() override {
    if (m_.method == kDeflated) inflateEnd(&z_);
  }
  MemberStream(const MemberStream&) = delete;
  MemberStream& operator=(const MemberStream&) = delete;

  int64_t left() const override { return left_; }
  void read(void* destination, int64_t bytes) override {
    if (bytes > left_) refuse("the file ends within its header");
    auto* to = static_cast<unsigned char*>(destination);
    for (int64_t done = 0; done < bytes;) {
      const auto part = static_cast<size_t>(std::min<int64_t>(bytes - done, 1 << 30));
      if (m_.method == kStored) {
        std::memcpy(to + done, packed_.data(), part);
        packed_.remove_prefix(part);
      } else {
        inflate_into(to + done, part);
      }
      crc_ = static_cast<uint32_t>(crc32_z(crc_, to + done, part));
      done += static_cast<int64_t>(part);
    }
    left_ -= bytes;
  }
  // All has been read: the compressed data end here too, and are those that were written.
  void finish() {
    if (m_.method == kDeflated) {
      unsigned char none;
      z_.next_out = &none, z_.avail_out = 0;
      if (!ended_) ended_ = step() == Z_STREAM_END;
      if (!ended_ || z_.avail_in || !packed_.empty()) refuse("its compressed data go on after its size");
    }
    if (crc_ != m_.crc) refuse("its checksum is wrong: the archive is damaged");
  }

 private:
  int step() {
    if (!z_.avail_in && !packed_.empty()) {
      const auto part = std::min<size_t>(packed_.size(), 1 << 30);
      z_.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(packed_.data()));
      z_.avail_in = static_cast<unsigned>(part);
      packed_.remove_prefix(part);
    }
    return inflate(&z_, Z_NO_FLUSH);
  }
  void inflate_into(unsigned char* to, size_t bytes) {
    z_.next_out = to, z_.avail_out = static_cast<unsigned>(bytes);
    while (z_.avail_out) {
      const int status = ended_ ? Z_BUF_ERROR : step();
      ended_ = ended_ || status == Z_STREAM_END;
      if (z_.avail_out && status != Z_OK) refuse("its compressed data are damaged or end before its size");
    }
  }

  const Member& m_;
  int64_t left_;
  std::string_view packed_;
  z_stream z_{};
  bool ended_ = false;
  uint32_t crc_ = 0;
};

void check_unpacked(const std::vector<Member>& members, const LoadLimits& limits) {
  int64_t total = 0;
  for (const Member& m : members)
    if (m.method == kDeflated && (__builtin_add_overflow(total, m.size, &total) || total > limits.unpacked_bytes))
      throw Error(Code::limit,
                  "the compressed members would take more than " + std::to_string(limits.unpacked_bytes) + " bytes (limit unpacked_bytes)");
}

// ---- writing

class Writer {
 public:
  void number(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(v >> 8 * i);
  }
  template <class... T>
  void u16(T... v) {
    (number(static_cast<uint64_t>(v), 2), ...);
  }
  template <class... T>
  void u32(T... v) {
    (number(static_cast<uint64_t>(v), 4), ...);
  }
  template <class... T>
  void u64(T... v) {
    (number(static_cast<uint64_t>(v), 8), ...);
  }
  void text(std::string_view s) { out_ += s; }
  size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

constexpr uint16_t kVersion64 = 45;
constexpr uint32_t kDate = 0x21 << 16;  // 1980-01-01, so that equal tensors give equal files

struct Written {
  std::string name;
  uint32_t crc;
  uint64_t size, offset;
};

void write_entry(Writer& w, const Written& m) {
  w.u32(kEntryMark);
  w.u16(kVersion64, kVersion64, kFlagUtf8, kStored);
  w.u32(kDate, m.crc, kIn64, kIn64);
  w.u16(m.name.size(), 28, 0, 0, 0);
  w.u32(0, kIn64);
  w.text(m.name);
  w.u16(1, 24);
  w.u64(m.size, m.size, m.offset);
}

void write_end(Writer& w, uint64_t entries, uint64_t offset) {
  const uint64_t end = w.size(), bytes = end - offset;
  const bool in64 = entries >= 0xffff || end >= kIn64;
  if (in64) {
    w.u32(kEnd64Mark);
    w.u64(kEnd64Bytes - 12);
    w.u16(kVersion64, kVersion64);
    w.u32(0, 0);
    w.u64(entries, entries, bytes, offset);
    w.u32(kLocator64Mark, 0);
    w.u64(end);
    w.u32(1);
  }
  w.u32(kEndMark);
  w.u16(0, 0, in64 ? 0xffff : entries, in64 ? 0xffff : entries);
  w.u32(in64 ? kIn64 : bytes, in64 ? kIn64 : offset);
  w.u16(0);
}

}  // namespace

NamedTensors read_npz(std::string_view bytes, const LoadLimits& limits) {
  const Directory directory = find_directory(bytes);
  std::vector<Member> members = read_directory(bytes, directory, limits);
  locate_all(bytes, directory, members);
  check_unpacked(members, limits);
  NamedTensors out;
  for (const Member& m : members)
    within([&] { return "member \"" + printable(m.name) + "\""; },
           [&] {
             MemberStream stream(m);
             OwnedTensor tensor = read_npy(stream, limits);
             stream.finish();
             out.emplace_back(m.name.substr(0, m.name.size() - 4), std::move(tensor));
           });
  return out;
}

NamedTensors load_npz(const std::string& path, const LoadLimits& limits) {
  return within([&] { return "cannot read " + printable(path); },
                [&] {
                  const auto file = map_file(path);
                  return read_npz({static_cast<const char*>(file->view(0, file->bytes())), static_cast<size_t>(file->bytes())}, limits);
                });
}

std::string write_npz(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  Writer w;
  std::vector<Written> members;
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    const std::string data = write_npy(tensor);
    Written m{name + ".npy", static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const unsigned char*>(data.data()), data.size())), data.size(),
              w.size()};
    if (m.name.size() > 0xffff) throw Error(Code::bad_input, "a tensor's name has more than 65531 bytes");
    if (!names.insert(m.name).second) throw Error(Code::bad_input, "two tensors would both be written as \"" + printable(m.name) + "\"");
    w.u32(kLocalMark);
    w.u16(kVersion64, kFlagUtf8, kStored);
    w.u32(kDate, m.crc, kIn64, kIn64);
    w.u16(m.name.size(), 20);
    w.text(m.name);
    w.u16(1, 16);
    w.u64(m.size, m.size);
    w.text(data);
    members.push_back(std::move(m));
  }
  const uint64_t offset = w.size();
  for (const Written& m : members) write_entry(w, m);
  write_end(w, members.size(), offset);
  return w.take();
}

void save_npz(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors) { save_file(path, write_npz(tensors)); }

}  // namespace tenon::numpy
