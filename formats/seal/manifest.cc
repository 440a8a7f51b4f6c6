#include "formats/seal/manifest.h"

namespace tenon::seal {
namespace {

enum Section : uint32_t { digests = 1, blobs, model, policy, metadata };
constexpr std::string_view kNames[] = {"", "digests", "blobs", "model", "policy", "metadata"};
constexpr uint32_t kLeastSections = 3, kMostSections = 5;

std::string_view section_name(uint32_t id) { return id < std::size(kNames) ? kNames[id] : "unknown section"; }

// The section of each id, null where it is missing.
struct Sections {
  std::optional<View> of[6];
};

Sections cut(View plain) {
  Cursor c(plain, Code::seal_format, "manifest");
  const uint32_t n = c.u32("number of sections");
  if (n < kLeastSections || n > kMostSections) c.fail("number of sections", "is not 3 to 5");
  c.zeros(4, "field at 4");
  struct Entry {
    uint32_t id;
    uint64_t length;
  };
  std::vector<Entry> entries;
  for (uint32_t i = 0, before = 0; i < n; ++i) {
    const std::string entry = "section " + std::to_string(i) + ", ";
    const uint32_t id = c.u32(entry + "id");
    if (id <= before || id > metadata) c.fail(entry + "id", "is not above the one before and at most 5");
    c.zeros(4, entry + "field at 4");
    entries.push_back({id, c.u64(entry + "length")});
    before = id;
  }
  Sections out;
  for (const Entry& e : entries) {
    const std::string name(section_name(e.id));
    c.zeros(align64(c.position()) - c.position(), "space before " + name);
    out.of[e.id] = c.take(e.length, name);
  }
  if (c.left()) c.fail("bytes after the last section", "are not allowed");
  for (uint32_t id : {digests, blobs, model}) {
    if (!out.of[id]) c.fail(section_name(id), "is missing");
  }
  return out;
}

[[noreturn]] void fail(Code code, std::string_view what) { throw Error(code, "manifest: " + std::string(what)); }

std::vector<Blob> read_blobs(View section, uint64_t data_plain) {
  if (section.size() % 8) fail(Code::seal_format, "blobs is not a whole number of lengths");
  const size_t count = section.size() / 8;
  if (count > kMostBlobs) fail(Code::seal_limit, "blobs has more than 2^20 lengths");
  std::vector<Blob> out;
  out.reserve(count);
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    // `end` is at most data_plain, so that rounding it up cannot overflow.
    const Blob blob{align64(end), load64(section.data() + 8 * i)};
    if (blob.offset > data_plain || blob.length > data_plain - blob.offset)
      fail(Code::seal_format, "blob " + std::to_string(i) + " ends after the data");
    end = blob.offset + blob.length;
    out.push_back(blob);
  }
  if (end != data_plain) fail(Code::seal_format, "the last blob does not end where the data ends");
  return out;
}

}  // namespace

Metadata parse_metadata(std::string_view text) {
  const Json json = parse_json(text, Code::seal_format, "metadata");
  if (json.kind != Json::object) throw Error(Code::seal_format, "metadata: is not an object");
  Metadata out;
  for (const auto& [key, value] : json.fields) {
    if (value.kind != Json::string) throw Error(Code::seal_format, "metadata: the value of \"" + printable(key) + "\" is not a string");
    out.emplace_back(key, value.text);
  }
  return out;
}

Manifest parse_manifest(View plain, const FileIdentity& identity) {
  const Sections sections = cut(plain);
  Manifest out;
  out.digests = *sections.of[digests];
  if (out.digests.size() != 32 * identity.data_segments()) fail(Code::seal_format, "digests does not have 32 bytes for each data segment");
  out.blobs = read_blobs(*sections.of[blobs], identity.data_plain());
  out.model = *sections.of[model];
  if (out.model.empty()) fail(Code::seal_format, "model is empty");
  if (const auto& section = sections.of[policy]) {
    if (section->size() > kMostPolicy) fail(Code::seal_limit, "policy is larger than 256 KiB");
    out.policy_text = text(*section);
    out.policy = parse_policy(out.policy_text, PolicyPlace::file);
  }
  if (const auto& section = sections.of[metadata]) {
    if (section->size() > kMostMetadata) fail(Code::seal_limit, "metadata is larger than 1 MiB");
    out.metadata_text = text(*section);
    out.metadata = parse_metadata(out.metadata_text);
  }
  return out;
}

std::vector<Blob> place_blobs(const std::vector<uint64_t>& lengths, uint64_t& data_plain) {
  if (lengths.size() > kMostBlobs) throw Error(Code::seal_limit, "more than 2^20 blobs");
  std::vector<Blob> out;
  out.reserve(lengths.size());
  data_plain = 0;
  for (uint64_t length : lengths) {
    const Blob blob{align64(data_plain), length};
    if (blob.offset > kMostData || length > kMostData - blob.offset) throw Error(Code::seal_limit, "more than 2^44 bytes of data");
    data_plain = blob.offset + length;
    out.push_back(blob);
  }
  return out;
}

uint64_t manifest_size(uint64_t data_segments, size_t blobs, size_t model, std::optional<size_t> policy, std::optional<size_t> metadata) {
  uint64_t end = 8 + 16 * (uint64_t{3} + policy.has_value() + metadata.has_value());
  for (const std::optional<size_t> n :
       {std::optional<size_t>(32 * data_segments), std::optional<size_t>(8 * blobs), std::optional<size_t>(model), policy, metadata}) {
    if (n) end = align64(end) + *n;
  }
  return end;
}

ManifestPlan plan_manifest(uint64_t data_segments, const std::vector<uint64_t>& lengths, View model_bytes,
                           const std::optional<std::string>& policy_text, const std::optional<std::string>& metadata_text) {
  if (model_bytes.empty()) throw Error(Code::bad_usage, "seal: the model is empty");
  if (policy_text && policy_text->size() > kMostPolicy) throw Error(Code::seal_limit, "policy is larger than 256 KiB");
  if (metadata_text && metadata_text->size() > kMostMetadata) throw Error(Code::seal_limit, "metadata is larger than 1 MiB");
  if (policy_text) parse_policy(*policy_text, PolicyPlace::file);
  if (metadata_text) parse_metadata(*metadata_text);
  const auto size_of = [](const std::optional<std::string>& s) { return s ? std::optional<size_t>(s->size()) : std::nullopt; };
  const uint64_t size = manifest_size(data_segments, lengths.size(), model_bytes.size(), size_of(policy_text), size_of(metadata_text));
  if (size > kMostManifest) throw Error(Code::seal_limit, "the manifest would be larger than 2^30 bytes; larger segments need fewer digests");

  Bytes lengths_section(lengths.size() * 8);
  for (size_t i = 0; i < lengths.size(); ++i) store<uint64_t>(lengths_section.data() + 8 * i, lengths[i]);
  ManifestPlan out{WipedBytes(size, uint8_t{0}), 0};
  uint8_t* entry = out.plain.data() + 8;
  uint64_t end = 8 + 16 * (uint64_t{3} + policy_text.has_value() + metadata_text.has_value());
  uint32_t count = 0;
  const auto put = [&](Section id, uint64_t n, const uint8_t* bytes) {
    store<uint32_t>(entry, id);
    store<uint64_t>(entry + 8, n);
    entry += 16;
    const uint64_t start = align64(end);
    if (bytes && n) std::memcpy(out.plain.data() + start, bytes, n);
    end = start + n;
    ++count;
    return start;
  };
  out.digests = put(digests, 32 * data_segments, nullptr);
  put(blobs, lengths_section.size(), lengths_section.data());
  put(model, model_bytes.size(), model_bytes.data());
  if (policy_text) put(policy, policy_text->size(), ascii(*policy_text).data());
  if (metadata_text) put(metadata, metadata_text->size(), ascii(*metadata_text).data());
  store<uint32_t>(out.plain.data(), count);
  return out;
}

RootHash::RootHash(std::string_view label, View floe_header) { hash_.update(ascii(label)).update(sha256({floe_header})); }

}  // namespace tenon::seal
