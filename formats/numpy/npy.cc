#include "formats/numpy/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/new_file.h"
#include "formats/weights.h"

static_assert(std::endian::native == std::endian::little, "elements are copied as they are");

namespace tenon::numpy {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr int64_t kMostHeader = 64 << 10;
constexpr size_t kMostRank = 64;

struct NumpyType {
  char kind;
  int bytes;
  DType dtype;
};
constexpr NumpyType kTypes[] = {
    {'b', 1, DType::boolean}, {'i', 1, DType::s8},  {'i', 2, DType::s16}, {'i', 4, DType::s32},   {'i', 8, DType::s64},
    {'u', 1, DType::u8},      {'u', 2, DType::u16}, {'u', 4, DType::u32}, {'u', 8, DType::u64},   {'f', 2, DType::f16},
    {'f', 4, DType::f32},     {'f', 8, DType::f64}, {'c', 8, DType::c64}, {'c', 16, DType::c128},
};

class MemoryStream : public Stream {
 public:
  explicit MemoryStream(std::string_view bytes) : bytes_(bytes) {}
  void read(void* destination, int64_t bytes) override {
    if (bytes) std::memcpy(destination, bytes_.data(), static_cast<size_t>(bytes));
    bytes_.remove_prefix(static_cast<size_t>(bytes));
  }
  int64_t left() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  std::string_view bytes_;
};

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;
};

// The header is the text of a Python dictionary with three keys. This reads just that, nothing of Python's grammar beyond it.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Header header() {
    Header h;
    bool seen[3] = {};
    need('{');
    while (!take('}')) {
      const std::string_view key = quoted();
      need(':');
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (which < 0) refuse("has the unknown key \"" + printable(key) + "\"");
      if (std::exchange(seen[which], true)) refuse("has the key " + std::string(key) + " twice");
      if (which == 0) h.descr = descr();
      if (which == 1) h.fortran = boolean();
      if (which == 2) h.shape = shape();
      if (!take(',')) {
        need('}');
        break;
      }
    }
    for (int k = 0; k < 3; ++k)
      if (!seen[k]) refuse(std::string("lacks the key ") + (k == 0 ? "descr" : k == 1 ? "fortran_order" : "shape"));
    skip();
    if (at_ != text_.size()) refuse("goes on after its dictionary");
    return h;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw Error(Code::bad_input, "the header " + what); }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void need(char c) {
    if (!take(c)) refuse("is no dictionary of descr, fortran_order and shape: expected '" + std::string(1, c) + "' at byte " + std::to_string(at_));
  }
  std::string_view quoted() {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : 0;
    if (quote != '\'' && quote != '"') refuse("has no quoted text at byte " + std::to_string(at_));
    const size_t begin = ++at_, end = text_.find(quote, begin);
    if (end == std::string_view::npos) refuse("has a quote that does not end");
    at_ = end + 1;
    return text_.substr(begin, end - begin);
  }
  std::string descr() {
    skip();
    if (at_ < text_.size() && text_[at_] == '[')
      throw Error(Code::not_supported, "records (a structured element type) are not supported; save each field as an array");
    return std::string(quoted());
  }
  bool boolean() {
    skip();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return word == "True";
    }
    refuse("says neither True nor False for fortran_order");
  }
  int64_t size() {
    skip();
    const size_t begin = at_;
    int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (at_ - begin >= 18) refuse("has a size of more than 18 digits");
      value = value * 10 + (text_[at_++] - '0');
    }
    if (at_ == begin) refuse("has a size in its shape that is no whole number, at byte " + std::to_string(at_));
    return value;
  }
  std::vector<int64_t> shape() {
    std::vector<int64_t> sizes;
    need('(');
    while (!take(')')) {
      if (sizes.size() == kMostRank) refuse("has a shape of more than " + std::to_string(kMostRank) + " axes");
      sizes.push_back(size());
      if (take(',')) continue;
      need(')');
      if (sizes.size() == 1) refuse("has a number in brackets where a shape belongs");
      break;
    }
    return sizes;
  }

  std::string_view text_;
  size_t at_ = 0;
};

struct Element {
  DType dtype;
  bool swapped;
};

[[noreturn]] void refuse_type(const std::string& descr, const std::string& why) {
  throw Error(Code::not_supported, "the element type \"" + printable(descr) + "\" " + why);
}

Element element_of(const std::string& descr) {
  if (descr.empty() || descr.size() > 8) refuse_type(descr, "is none that Tenon reads");
  const bool ordered = std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
  const char kind = descr.size() > 1 && ordered ? descr[1] : descr[0];
  switch (kind) {
    case 'O': refuse_type(descr, "is Python objects, which are pickled code; Tenon never reads them");
    case 'U':
    case 'S':
    case 'a': refuse_type(descr, "is text; give strings as a .pb file");
    case 'M':
    case 'm': refuse_type(descr, "is dates; convert them to numbers");
    case 'V': refuse_type(descr, "is raw memory; convert it to numbers");
    default: break;
  }
  const std::string width = descr.substr(std::min<size_t>(ordered ? 2 : 1, descr.size()));
  for (const NumpyType& t : kTypes)
    if (t.kind == kind && width == std::to_string(t.bytes)) {
      if (descr[0] == '|' && t.bytes > 1) break;
      return {t.dtype, descr[0] == '>' && t.bytes > 1};
    }
  refuse_type(descr, "is none that Tenon reads: b1, i1 to i8, u1 to u8, f2, f4, f8, c8, c16");
}

void swap_bytes(DType dtype, char* data, int64_t count) {
  const bool complex = is_complex(dtype);
  const int64_t width = bits(dtype) / (complex ? 16 : 8), numbers = complex ? 2 * count : count;
  for (int64_t i = 0; i < numbers; ++i) std::reverse(data + i * width, data + (i + 1) * width);
}

// Elements that lie first axis first, to last axis first.
void from_fortran(const Tensor& dst, const char* src) {
  const int64_t width = bits(dst.dtype) / 8, count = dst.count();
  const size_t rank = dst.shape.size();
  std::array<int64_t, kMostRank> index{}, stride;
  stride[0] = 1;
  for (size_t a = 1; a < rank; ++a) stride[a] = stride[a - 1] * dst.shape[a - 1];
  char* to = dst.as<char>();
  int64_t from = 0;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * width, src + from * width, static_cast<size_t>(width));
    for (size_t a = rank; a-- > 0;) {
      from += stride[a];
      if (++index[a] < dst.shape[a]) break;
      from -= stride[a] * dst.shape[a];
      index[a] = 0;
    }
  }
}

Header read_header(Stream& bytes) {
  unsigned char start[12];
  if (bytes.left() < 10) throw Error(Code::bad_input, "this is no .npy file: it has " + std::to_string(bytes.left()) + " bytes");
  bytes.read(start, 10);
  if (std::memcmp(start, kMagic.data(), kMagic.size()) != 0) throw Error(Code::bad_input, "this is no .npy file: it does not start as one");
  if (start[6] < 1 || start[6] > 3 || start[7] != 0)
    throw Error(Code::not_supported,
                "version " + std::to_string(start[6]) + "." + std::to_string(start[7]) + " of .npy; Tenon reads 1.0, 2.0 and 3.0");
  int64_t length = start[8] + 256 * start[9];
  if (start[6] > 1) {
    if (bytes.left() < 2) throw Error(Code::bad_input, "the file ends within its header");
    bytes.read(start + 10, 2);
    length += (int64_t{start[10]} << 16) + (int64_t{start[11]} << 24);
  }
  if (length > kMostHeader)
    throw Error(Code::limit, "a header of " + std::to_string(length) + " bytes; at most " + std::to_string(kMostHeader) + " are read");
  if (length > bytes.left()) throw Error(Code::bad_input, "the file ends within its header");
  std::string text(static_cast<size_t>(length), 0);
  bytes.read(text.data(), length);
  return HeaderParser(text).header();
}

// ---- writing

// The code points of UTF-8 text, as numpy's unicode elements hold them.
std::u32string code_points(const std::string& text) {
  const auto refuse = [&] { throw Error(Code::bad_input, "a string is not UTF-8: \"" + printable(text) + "\""); };
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (!length || i + length > text.size()) refuse();
    char32_t point = length == 1 ? lead : lead & (0x7f >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next >> 6 != 2) refuse();
      point = point << 6 | (next & 0x3f);
    }
    if (point < kLeast[length] || point > 0x10ffff || (point >> 11) == 0x1b) refuse();
    out.push_back(point);
    i += length;
  }
  return out;
}

DType written_as(DType t) {
  for (const NumpyType& n : kTypes)
    if (n.dtype == t) return t;
  return is_real(t) ? DType::f32 : is_signed(t) ? DType::s8 : DType::u8;
}

std::string header(const std::string& descr, const std::vector<int64_t>& shape) {
  std::string text = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (";
  for (int64_t size : shape) text += std::to_string(size) + (shape.size() == 1 ? "," : &size == &shape.back() ? "" : ", ");
  text += "), }";
  // The elements start on a multiple of 64 bytes.
  const size_t before = kMagic.size() + 4, length = (before + text.size() + 1 + 63) / 64 * 64 - before;
  text.resize(length - 1, ' ');
  text += '\n';
  std::string out(kMagic);
  out += {1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  return out + text;
}

std::string write_strings(const Tensor& tensor) {
  std::vector<std::u32string> points;
  size_t longest = 1;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    points.push_back(code_points(tensor.as<std::string>()[i]));
    longest = std::max(longest, points.back().size());
  }
  std::string out = header("<U" + std::to_string(longest), tensor.shape);
  for (std::u32string& p : points) {
    p.resize(longest);
    out.append(reinterpret_cast<const char*>(p.data()), 4 * longest);
  }
  return out;
}

}  // namespace

OwnedTensor read_npy(Stream& bytes, const LoadLimits& limits) {
  const Header h = read_header(bytes);
  const Element element = element_of(h.descr);
  const int64_t count = element_count(h.shape.data(), static_cast<int>(h.shape.size()));
  if (count > limits.elements)
    throw Error(Code::limit, std::to_string(count) + " elements (limit elements: " + std::to_string(limits.elements) + ")");
  const int64_t size = storage_bytes(element.dtype, count);
  if (size != bytes.left())
    throw Error(Code::bad_input, std::to_string(bytes.left()) + " bytes of elements, the shape asks for " + std::to_string(size));
  OwnedTensor out(element.dtype, h.shape);
  if (h.fortran && h.shape.size() > 1) {
    Buffer columns(std::max<int64_t>(size, 1));
    bytes.read(columns.data(), size);
    from_fortran(out.view(), columns.data());
  } else {
    bytes.read(out.data(), size);
  }
  if (element.swapped) swap_bytes(element.dtype, out.as<char>(), count);
  if (element.dtype == DType::boolean)
    for (int64_t i = 0; i < count; ++i) out.as<uint8_t>()[i] = out.as<uint8_t>()[i] != 0;
  return out;
}

OwnedTensor read_npy(std::string_view bytes, const LoadLimits& limits) {
  MemoryStream stream(bytes);
  return read_npy(stream, limits);
}

OwnedTensor load_npy(const std::string& path, const LoadLimits& limits) {
  return within([&] { return "cannot read " + printable(path); },
                [&] {
                  const auto file = map_file(path);
                  return read_npy({static_cast<const char*>(file->view(0, file->bytes())), static_cast<size_t>(file->bytes())}, limits);
                });
}

std::string write_npy(const Tensor& tensor) {
  if (tensor.dtype == DType::string) return write_strings(tensor);
  const DType type = written_as(tensor.dtype);
  const NumpyType& n = *std::find_if(std::begin(kTypes), std::end(kTypes), [&](const NumpyType& t) { return t.dtype == type; });
  const int64_t count = tensor.count(), bytes = storage_bytes(type, count);
  std::string out = header((n.bytes == 1 ? "|" : "<") + std::string(1, n.kind) + std::to_string(n.bytes), tensor.shape);
  const size_t start = out.size();
  out.resize(start + static_cast<size_t>(bytes));
  if (type == tensor.dtype) {
    if (bytes) std::memcpy(out.data() + start, tensor.data, static_cast<size_t>(bytes));
  } else {
    for (int64_t i = 0; i < count; ++i) store_cell(type, out.data() + start, i, load_cell(tensor.dtype, tensor.data, i));
  }
  return out;
}

void save_npy(const std::string& path, const Tensor& tensor) { save_file(path, write_npy(tensor)); }

void save_file(const std::string& path, std::string_view bytes) {
  NewFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace tenon::numpy
