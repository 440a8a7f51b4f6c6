#include "formats/onnx/split.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <numeric>
#include <protozero/varint.hpp>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "formats/onnx/external.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kForms[] = {"raw", "fields", "file"};
constexpr int64_t kSmall = 64 << 10;      // blobs up to this size lie together
constexpr int64_t kDataAlignment = 4096;  // of tensors in a file of external data
constexpr uint32_t kList = 2;             // the wire type of what has a length

// Fields of TensorProto.
enum : uint32_t { kFloats = 4, kInt32s = 5, kStrings = 6, kInt64s = 7, kRaw = 9, kDoubles = 10, kUint64s = 11, kExternal = 13, kLocation = 14 };
bool is_typed(uint32_t field) { return (field >= kFloats && field <= kInt64s) || field == kDoubles || field == kUint64s; }
bool is_data(uint32_t field) { return is_typed(field) || field == kRaw || field == kExternal || field == kLocation; }

// Bytes with blobs in them; `size` counts both.
struct Text {
  std::string text;
  std::vector<JoinedModel::Hole> holes;
  uint64_t size = 0;

  void add(Bytes bytes) {
    text += bytes;
    size += bytes.size();
  }
  void add_number(uint64_t v) {
    char buffer[protozero::max_varint_length];
    add({buffer, static_cast<size_t>(protozero::add_varint_to_buffer(buffer, v))});
  }
  void add_tag(uint32_t field, uint32_t wire) { add_number(uint64_t{field} << 3 | wire); }
  void add_bytes(uint32_t field, Bytes bytes) {
    add_tag(field, kList);
    add_number(bytes.size());
    add(bytes);
  }
  void add_message(uint32_t field, const Text& m) {
    add_tag(field, kList);
    add_number(m.size);
    for (const JoinedModel::Hole& h : m.holes) holes.push_back({text.size() + h.position, h.blob});
    text += m.text;
    size += m.size;
  }
  void add_blob(size_t blob, int64_t bytes) {
    holes.push_back({text.size(), blob});
    size += static_cast<uint64_t>(bytes);
  }
};

void add_entry(Text& out, std::string_view key, std::string_view value) {
  Text entry;
  entry.add_bytes(1, key);
  entry.add_bytes(2, value);
  out.add_message(kExternal, entry);
}

// Which fields of a message are messages with tensors in them. Field numbers are those of onnx.proto.
enum class Kind : uint8_t { model, training, graph, function, node, attribute, sparse, tensor };
struct Child {
  Kind parent;
  uint32_t field;
  Kind kind;
};
constexpr Child kChildren[] = {
    {Kind::model, 7, Kind::graph},         {Kind::model, 20, Kind::training},   {Kind::model, 25, Kind::function},
    {Kind::training, 1, Kind::graph},      {Kind::training, 2, Kind::graph},    {Kind::graph, 1, Kind::node},
    {Kind::graph, 5, Kind::tensor},        {Kind::graph, 15, Kind::sparse},     {Kind::function, 7, Kind::node},
    {Kind::function, 11, Kind::attribute}, {Kind::node, 5, Kind::attribute},    {Kind::attribute, 5, Kind::tensor},
    {Kind::attribute, 6, Kind::graph},     {Kind::attribute, 10, Kind::tensor}, {Kind::attribute, 11, Kind::graph},
    {Kind::attribute, 22, Kind::sparse},   {Kind::attribute, 23, Kind::sparse}, {Kind::sparse, 1, Kind::tensor},
    {Kind::sparse, 2, Kind::tensor},
};

const Child* child_of(Kind parent, uint32_t field) {
  for (const Child& c : kChildren)
    if (c.parent == parent && c.field == field) return &c;
  return nullptr;
}

// Calls f(field, bytes of the field with its tag, the reader standing behind the tag) for each field.
template <class F>
void each_field(Bytes message, F f) {
  Wire w(message, "the model");
  for (Bytes before = w.rest(); w.next(); before = w.rest()) {
    Wire behind = w;
    w.skip();
    f(behind.field(), before.substr(0, before.size() - w.rest().size()), behind);
  }
}

// Copies a model; what each tensor becomes is said by `tensor`.
class Rewriter {
 public:
  using OnTensor = std::function<void(Bytes message, const TensorView&, Text& out)>;
  Rewriter(int64_t depth, OnTensor tensor) : depth_most_(depth), tensor_(std::move(tensor)) {}

  Text rewritten(Kind kind, Bytes message) {
    Text out;
    if (kind == Kind::tensor) {
      const TensorView t = parse_tensor(message);
      within([&] { return "tensor \"" + printable(t.name) + "\""; }, [&] { tensor_(message, t, out); });
      return out;
    }
    if (kind == Kind::graph && ++depth_ > depth_most_)
      throw Error(Code::limit, "subgraphs nested more than " + std::to_string(depth_most_) + " deep (limit depth)");
    each_field(message, [&](uint32_t field, Bytes whole, Wire& behind) {
      const Child* c = child_of(kind, field);
      if (c) out.add_message(field, rewritten(c->kind, behind.bytes()));
      else out.add(whole);
    });
    depth_ -= kind == Kind::graph;
    return out;
  }

 private:
  int64_t depth_most_, depth_ = 0;
  OnTensor tensor_;
};

void add_without_data(Bytes message, Text& out) {
  each_field(message, [&](uint32_t field, Bytes whole, Wire&) {
    if (!is_data(field)) out.add(whole);
  });
}

class Splitter {
 public:
  Splitter(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const SplitOptions& options)
      : bytes_(std::move(bytes)), folder_(folder), options_(options) {}

  SplitModel run() {
    const Bytes all(static_cast<const char*>(bytes_->view(0, bytes_->bytes())), static_cast<size_t>(bytes_->bytes()));
    base_ = all.data();
    parse_model(all, options_.limits);  // refuses what is no model, or beyond the limits
    Rewriter(options_.limits.depth, [&](Bytes message, const TensorView& t, Text&) { find(message, t); }).rewritten(Kind::model, all);
    SplitModel out;
    std::vector<size_t> order(found_.size()), place(found_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_partition(order.begin(), order.end(), [&](size_t i) { return found_[i].bytes <= kSmall; });
    for (size_t i : order) place[i] = out.blobs.size(), out.blobs.push_back(std::move(found_[i]));
    size_t next = 0;
    out.model = Rewriter(options_.limits.depth,
                         [&](Bytes message, const TensorView&, Text& text) {
                           const auto& [form, blob] = tensors_[next++];
                           if (blob == kNoBlob) return text.add(message);
                           add_without_data(message, text);
                           add_entry(text, "location", std::string(kForms[form]) + ":" + std::to_string(place[blob]));
                           text.add_tag(kLocation, 0);
                           text.add_number(1);
                         })
                    .rewritten(Kind::model, all)
                    .text;
    return out;
  }

 private:
  static constexpr size_t kNoBlob = SIZE_MAX;

  void find(Bytes message, const TensorView& t) {
    if (t.external) return find_external(t);
    if (t.has_typed && !t.raw.empty()) throw Error(Code::bad_model, "the tensor has both raw and typed data");
    if (!t.has_typed && t.raw.empty()) return tensors_.emplace_back(BlobReference::raw, kNoBlob), void();
    SplitBlob blob;
    if (t.has_typed) {
      each_field(message, [&](uint32_t field, Bytes whole, Wire&) {
        if (is_typed(field)) add(blob, {bytes_, whole.data() - base_, static_cast<int64_t>(whole.size())});
      });
    } else {
      add(blob, {bytes_, t.raw.data() - base_, static_cast<int64_t>(t.raw.size())});
    }
    tensors_.emplace_back(t.has_typed ? BlobReference::fields : BlobReference::raw, found_.size());
    found_.push_back(std::move(blob));
  }

  // Tensors that lie in the same place of a file share one blob.
  void find_external(const TensorView& t) {
    const DType type = dtype_of(t.data_type);
    if (type == DType::string) throw Error(Code::bad_model, "a tensor of strings has external data");
    const int64_t bytes = storage_bytes(type, element_count(t, options_.limits));
    const ExternalData where = external_data(t, bytes);
    auto& file = files_[where.location];
    if (!file) file = open_external(folder_, where.location, {.follow_symlinks = options_.follow_symlinks});
    check_external(where, *file, bytes);
    const auto [at, fresh] = ranges_.try_emplace({file.get(), where.offset, bytes}, found_.size());
    if (fresh) add(found_.emplace_back(), {file, where.offset, bytes});
    tensors_.emplace_back(BlobReference::file, at->second);
  }

  // Parts that touch become one.
  static void add(SplitBlob& blob, SplitBlob::Part part) {
    blob.bytes += part.bytes;
    if (!blob.parts.empty() && blob.parts.back().offset + blob.parts.back().bytes == part.offset) blob.parts.back().bytes += part.bytes;
    else blob.parts.push_back(std::move(part));
  }

  std::shared_ptr<const WeightSource> bytes_;
  const std::string& folder_;
  const SplitOptions& options_;
  const char* base_ = nullptr;
  std::vector<SplitBlob> found_;
  std::vector<std::pair<BlobReference::Form, size_t>> tensors_;  // in the order they are met
  std::unordered_map<std::string, std::shared_ptr<const WeightSource>> files_;
  std::map<std::tuple<const WeightSource*, int64_t, int64_t>, size_t> ranges_;
};

}  // namespace

BlobReference blob_reference(const TensorView& t, size_t blobs) {
  const auto refuse = [](std::string_view what) -> BlobReference { throw Error(Code::bad_model, "a tensor of a sealed model " + std::string(what)); };
  if (t.has_raw || t.has_typed) return refuse("has both a blob and data of its own");
  if (t.external_data.size() != 1 || t.external_data[0].first != "location") return refuse("refers to its data by more than a location");
  const std::string_view location = t.external_data[0].second;
  const size_t colon = location.find(':');
  const auto form = std::find(std::begin(kForms), std::end(kForms), location.substr(0, colon));
  size_t index = 0;
  const std::string_view digits = colon == location.npos ? std::string_view() : location.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (form == std::end(kForms) || error != std::errc() || end != digits.data() + digits.size())
    return refuse("names the outside file \"" + printable(location) + "\"; a sealed model holds all of its data");
  if (index >= blobs) return refuse("refers to blob " + std::to_string(index) + "; the file has " + std::to_string(blobs));
  return {static_cast<BlobReference::Form>(form - std::begin(kForms)), index};
}

void SplitBlob::read(int64_t offset, int64_t n, void* destination) const {
  auto* to = static_cast<char*>(destination);
  for (const Part& p : parts) {
    if (n == 0) return;
    if (offset >= p.bytes) {
      offset -= p.bytes;
      continue;
    }
    const int64_t here = std::min(n, p.bytes - offset);
    p.source->read(p.offset + offset, here, to);
    to += here, n -= here, offset = 0;
  }
  TENON_ASSERT(n == 0);
}

SplitModel split(std::shared_ptr<const WeightSource> bytes, const std::string& folder, const SplitOptions& options) {
  return Splitter(std::move(bytes), folder, options).run();
}

JoinedModel join(Bytes model, const std::vector<int64_t>& blobs, const std::string& location) {
  JoinedModel out;
  std::map<size_t, int64_t> placed;  // blobs in the file of external data
  int64_t end = 0;
  const LoadLimits limits;
  parse_model(model, limits);
  Text text = Rewriter(limits.depth, [&](Bytes message, const TensorView& t, Text& to) {
                if (!t.external) return to.add(message);
                const BlobReference r = blob_reference(t, blobs.size());
                add_without_data(message, to);
                if (r.form == BlobReference::file) {
                  const auto [at, fresh] = placed.try_emplace(r.index, (end + kDataAlignment - 1) / kDataAlignment * kDataAlignment);
                  if (fresh) out.data.push_back({r.index, at->second}), end = at->second + blobs[r.index];
                  add_entry(to, "location", location);
                  add_entry(to, "offset", std::to_string(at->second));
                  add_entry(to, "length", std::to_string(blobs[r.index]));
                  to.add_tag(kLocation, 0);
                  to.add_number(1);
                } else {
                  if (r.form == BlobReference::raw) to.add_tag(kRaw, kList), to.add_number(static_cast<uint64_t>(blobs[r.index]));
                  to.add_blob(r.index, blobs[r.index]);
                }
              }).rewritten(Kind::model, model);
  out.text = std::move(text.text);
  out.holes = std::move(text.holes);
  return out;
}

}  // namespace tenon::onnx
