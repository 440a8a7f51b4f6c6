// A disk in memory that fails, stops or loses what was not synced, as a test asks; and containers forged with a known file key.
#pragma once

#include <fcntl.h>

#include <functional>
#include <map>
#include <mutex>
#include <random>

#include "formats/seal/floe.h"
#include "formats/seal/save.h"
#include "formats/seal_common.h"

namespace tenon::seal {

// One folder, named "disk". Every call is counted. Call `fail_at` returns -1 with `fail_with`; from call `stop_at` on nothing happens any
// more, as if the process had been killed there. Random bytes come from the real generator unless `counting`.
class Disk : public System {
 public:
  static constexpr int64_t kNever = -1;
  int64_t fail_at = kNever, stop_at = kNever;
  int fail_with = EIO;
  int64_t interrupt_every = 0;   // every n-th call returns EINTR
  size_t most_bytes = SIZE_MAX;  // of one read or write
  bool counting = false, generator_fails = false;
  int64_t calls = 0;
  std::function<void(Disk&, const std::string&)> after_read;
  std::vector<uint64_t> handed_out;  // by the counting generator

  static std::string path(std::string_view name) { return "disk/" + std::string(name); }
  void put(const std::string& name, View bytes) {
    auto node = std::make_shared<Node>();
    node->content.assign(bytes.begin(), bytes.end());
    node->synced = node->content;
    names_[name] = synced_names_[name] = node;
  }
  bool has(const std::string& name) const { return names_.count(name) > 0; }
  Bytes& get(const std::string& name) { return names_.at(name)->content; }
  std::vector<std::string> list() const {
    std::vector<std::string> out;
    for (const auto& [name, node] : names_) out.push_back(name);
    return out;
  }
  size_t open_files() const { return files_.size(); }

  // What may be found after power is lost: of the writes and renames that were not synced, any part in any order.
  Disk after_power_loss(std::mt19937& random) const {
    Disk out;
    const auto chance = [&] { return random() % 2 == 0; };
    std::map<std::string, std::shared_ptr<Node>> names = synced_names_;
    for (const auto& change : name_changes_) {
      if (chance()) change(names);
    }
    for (const auto& [name, node] : names) {
      Bytes content = node->synced;
      for (const auto& [offset, bytes] : node->unsynced) {
        if (!chance()) continue;
        if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
        std::copy(bytes.begin(), bytes.end(), content.begin() + static_cast<ptrdiff_t>(offset));
      }
      out.put(name, content);
    }
    return out;
  }

  int open(const char* name, int flags, mode_t mode) override {
    if (!enter()) return -1;
    if (std::string_view(name) == "disk") return add({nullptr, ""});
    return open_name(std::string_view(name).substr(5), flags, mode);
  }
  int openat(int, const char* name, int flags, mode_t mode) override { return enter() ? open_name(name, flags, mode) : -1; }
  int close(int fd) override {
    const std::lock_guard lock(mutex_);
    files_.erase(fd);
    return 0;
  }
  int fstat(int fd, struct stat* out) override { return enter() ? describe(files_.at(fd).node, out) : -1; }
  int fstatat(int, const char* name, struct stat* out, int) override {
    if (!enter()) return -1;
    std::string_view plain(name);
    if (plain.starts_with("disk/")) plain.remove_prefix(5);
    const auto found = names_.find(std::string(plain));
    if (found == names_.end()) return errno = ENOENT, -1;
    return describe(found->second, out);
  }
  ssize_t pread(int fd, void* dst, size_t n, off_t offset) override {
    if (!enter(true)) return -1;
    const std::lock_guard lock(mutex_);
    const OpenFile& file = files_.at(fd);
    const Bytes& content = file.node->content;
    const size_t at = std::min<size_t>(static_cast<size_t>(offset), content.size());
    n = std::min({n, content.size() - at, most_bytes});
    std::copy_n(content.begin() + static_cast<ptrdiff_t>(at), n, static_cast<uint8_t*>(dst));
    if (after_read) after_read(*this, file.name);
    return static_cast<ssize_t>(n);
  }
  ssize_t read(int fd, void* dst, size_t n) override {
    const ssize_t got = pread(fd, dst, n, static_cast<off_t>(files_.at(fd).position));
    if (got > 0) files_.at(fd).position += static_cast<size_t>(got);
    return got;
  }
  ssize_t pwrite(int fd, const void* src, size_t n, off_t offset) override {
    if (!enter(true)) return -1;
    const std::lock_guard lock(mutex_);
    return store_at(*files_.at(fd).node, src, n, static_cast<size_t>(offset));
  }
  ssize_t write(int fd, const void* src, size_t n) override {
    if (!enter(true)) return -1;
    const std::lock_guard lock(mutex_);
    Node& node = *files_.at(fd).node;
    return store_at(node, src, n, node.content.size());  // O_APPEND
  }
  int fsync(int fd) override {
    if (!enter()) return -1;
    const std::lock_guard lock(mutex_);
    const auto& node = files_.at(fd).node;
    if (!node) synced_names_ = names_, name_changes_.clear();
    else node->synced = node->content, node->unsynced.clear();
    return 0;
  }
  int fdatasync(int fd) override { return fsync(fd); }
  int ftruncate(int fd, off_t size) override {
    if (!enter()) return -1;
    Node& node = *files_.at(fd).node;
    node.content.resize(static_cast<size_t>(size));
    node.synced = node.content;
    node.unsynced.clear();
    return 0;
  }
  int fchmod(int fd, mode_t mode) override {
    if (!enter()) return -1;
    files_.at(fd).node->mode = mode;
    return 0;
  }
  int flock(int, int) override { return enter() ? 0 : -1; }
  int renameat(int, const char* from, const char* to) override {
    if (!enter()) return -1;
    change_names([from = std::string(from), to = std::string(to), node = names_.at(from)](auto& names) {
      names.erase(from);
      names[to] = node;
    });
    return 0;
  }
  int unlinkat(int, const char* name) override {
    if (!enter()) return -1;
    change_names([name = std::string(name)](auto& names) { names.erase(name); });
    return 0;
  }
  bool random(uint8_t* dst, size_t n) override {
    if (generator_fails) return false;
    if (!counting) return System::random(dst, n);
    std::memset(dst, 0, n);
    handed_out.push_back(++counter_);
    store<uint64_t>(dst, counter_);
    return true;
  }
  bool random_private(uint8_t* dst, size_t n) override { return random(dst, n); }

 private:
  struct Node {
    Bytes content, synced;
    std::vector<std::pair<size_t, Bytes>> unsynced;
    mode_t mode = 0600;
  };
  struct OpenFile {
    std::shared_ptr<Node> node;  // null: the folder
    std::string name;
    size_t position = 0;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  bool enter(bool may_be_interrupted = false) {
    const std::lock_guard lock(mutex_);
    const int64_t call = calls++;
    if (stop_at != kNever && call >= stop_at) return errno = EIO, false;
    if (call == fail_at) return errno = fail_with, false;
    if (may_be_interrupted && interrupt_every && call % interrupt_every == interrupt_every - 1) return errno = EINTR, false;
    return true;
  }
  int add(OpenFile file) {
    const std::lock_guard lock(mutex_);
    files_[next_] = std::move(file);
    return next_++;
  }
  int open_name(std::string_view name, int flags, mode_t mode) {
    const std::string key(name);
    if (names_.count(key)) {
      if (flags & O_EXCL) return errno = EEXIST, -1;
      return add({names_.at(key), key});
    }
    if (!(flags & O_CREAT)) return errno = ENOENT, -1;
    auto node = std::make_shared<Node>();
    node->mode = mode;
    change_names([key, node](auto& names) { names[key] = node; });
    return add({node, key});
  }
  static int describe(const std::shared_ptr<Node>& node, struct stat* out) {
    *out = {};
    out->st_mode = node ? S_IFREG | node->mode : S_IFDIR | 0700;
    out->st_size = node ? static_cast<off_t>(node->content.size()) : 0;
    out->st_ino = reinterpret_cast<ino_t>(node.get());
    return 0;
  }
  ssize_t store_at(Node& node, const void* src, size_t n, size_t offset) {
    n = std::min(n, most_bytes);
    const auto* bytes = static_cast<const uint8_t*>(src);
    if (node.content.size() < offset + n) node.content.resize(offset + n);
    std::copy_n(bytes, n, node.content.begin() + static_cast<ptrdiff_t>(offset));
    node.unsynced.emplace_back(offset, Bytes(bytes, bytes + n));
    return static_cast<ssize_t>(n);
  }
  void change_names(std::function<void(Names&)> change) {
    change(names_);
    name_changes_.push_back(std::move(change));
  }

  std::recursive_mutex mutex_;
  Names names_, synced_names_;
  std::vector<std::function<void(Names&)>> name_changes_;
  std::map<int, OpenFile> files_;
  int next_ = 1000;
  uint64_t counter_ = 0;

 public:
  Disk() = default;
  Disk(const Disk& other) : names_(other.names_), synced_names_(other.synced_names_) {}
};

// ---- Forging: what someone does who knows the file key of a container sealed with secret(0), or nobody's key at all ----

inline size_t header_bytes(const Bytes& file) { return load32(file.data() + 128); }

inline Secret file_key_of(const Bytes& file) {
  const KeyRing keys = raw_ring(0);
  const Header header = parse_header(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(header_bytes(file))), kMostLogN);
  return unlock(header, keys, std::chrono::seconds(1)).file_key;
}

inline void fix_digest(Bytes& file) {
  const size_t size = header_bytes(file);
  const Block<32> digest = sha256({View(file).first(size - 64)});
  std::copy(digest.begin(), digest.end(), file.begin() + static_cast<ptrdiff_t>(size - 64));
}

inline FileIdentity identity_of(const Bytes& file) {
  FileIdentity out;
  std::copy_n(file.begin(), kIdentity, out.bytes.begin());
  return out;
}

inline void fix_roots(Bytes& file) {
  const FileIdentity identity = identity_of(file);
  const int log2 = identity.segment_log2();
  size_t start = header_bytes(file);
  const auto root = [&](std::string_view label, uint64_t plain) {
    RootHash hash(label, View(file).subspan(start, Floe::kHeader));
    const uint64_t size = (uint64_t{1} << log2) + 32, length = floe_length(plain, log2);
    for (uint64_t at = Floe::kHeader; at < length; at += size) hash.add(sha256({View(file).subspan(start + at, std::min(size, length - at))}));
    start += length;
    return hash.finish();
  };
  const Block<32> data = root(kDataRoot, identity.data_plain()), manifest = root(kManifestRoot, identity.manifest_plain());
  std::copy(data.begin(), data.end(), file.begin() + 64);
  std::copy(manifest.begin(), manifest.end(), file.begin() + 96);
}

inline void fix_mac(Bytes& file, View file_key) {
  const size_t size = header_bytes(file);
  const FileKeys keys = derive_keys(View(file).subspan(16, 32), file_key);
  hmac(Hash::sha256, keys.header, {View(file).first(size - 32)}, std::span(file).subspan(size - 32, 32));
}

inline void fix_keyed(Bytes& file, View file_key) {
  fix_roots(file);
  fix_digest(file);
  fix_mac(file, file_key);
}

// A stream, sealed. `last_of` decides what is encrypted as last.
inline Bytes forge_stream(const FileIdentity& identity, View key, View plain, const std::function<bool(uint64_t, bool)>& last_of = {}) {
  Block<32> iv;
  real_system().random(iv.data(), iv.size());
  const size_t size = size_t{1} << identity.segment_log2();
  const Floe floe({.segment = static_cast<uint32_t>(size + 32)}, key, identity.bytes, iv);
  FloeCipher cipher(floe);
  Bytes out(floe.header().begin(), floe.header().end());
  const uint64_t count = segments(plain.size(), identity.segment_log2());
  for (uint64_t i = 0; i < count; ++i) {
    const View part = plain.subspan(i * size, std::min(size, plain.size() - i * size));
    const bool last = i + 1 == count;
    Bytes segment(part.size() + 32);
    cipher.seal(i, last_of && part.size() == size ? last_of(i, last) : last, Block<12>{static_cast<uint8_t>(i), 1}, part, segment.data());
    out.insert(out.end(), segment.begin(), segment.end());
  }
  return out;
}

// A container of any manifest and data, authentic for the holder of secret(0). In a manifest that begins with a digests section of the
// right size, `digests` puts the true digests.
struct Forgery {
  Bytes data, manifest;
  int segment_log2 = 12;
  size_t digests_at = 0;                        // 0: leave the manifest alone
  std::function<bool(uint64_t, bool)> last_of;  // of the data stream

  Bytes build() const {
    const Secret file_key = secret(99);
    const FileIdentity identity = make_identity(block<32>(secret(150)), segment_log2, data.size(), manifest.size());
    const FileKeys keys = derive_keys(identity.file_id(), file_key);
    const Bytes data_stream = forge_stream(identity, keys.data, data, last_of);
    Bytes plain = manifest;
    const size_t size = (size_t{1} << segment_log2) + 32;
    for (size_t at = Floe::kHeader, i = 0; digests_at && at < data_stream.size(); at += size, ++i) {
      const Block<32> digest = sha256({View(data_stream).subspan(at, std::min(size, data_stream.size() - at))});
      std::copy(digest.begin(), digest.end(), plain.begin() + static_cast<ptrdiff_t>(digests_at + 32 * i));
    }
    const Bytes manifest_stream = forge_stream(identity, keys.manifest, plain);
    Bytes core(kCore);
    std::copy(identity.bytes.begin(), identity.bytes.end(), core.begin());
    std::vector<Slot> slots;
    slots.push_back(make_slot(real_system(), identity.file_id(), file_key, NewSlot::raw(secret(0))));
    Bytes out = build_header(core, slots, {}, keys.header);
    out.insert(out.end(), data_stream.begin(), data_stream.end());
    out.insert(out.end(), manifest_stream.begin(), manifest_stream.end());
    fix_keyed(out, file_key);
    return out;
  }
};

// A manifest from sections, placed as docs/sealed_format.md, section 5, says; entries are then free
// to edit.
struct Sections {
  std::vector<std::pair<uint32_t, Bytes>> list;

  Bytes build() const {
    Bytes out(8 + 16 * list.size());
    store<uint32_t>(out.data(), static_cast<uint32_t>(list.size()));
    for (size_t i = 0; i < list.size(); ++i) {
      store<uint32_t>(out.data() + 8 + 16 * i, list[i].first);
      store<uint64_t>(out.data() + 16 + 16 * i, list[i].second.size());
    }
    for (const auto& [id, bytes] : list) {
      out.resize(align64(out.size()));
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
    return out;
  }
  // The place of the first section, where the digests stand.
  size_t first() const { return align64(8 + 16 * list.size()); }
};

inline Bytes lengths_section(const std::vector<uint64_t>& lengths) {
  Bytes out(8 * lengths.size());
  for (size_t i = 0; i < lengths.size(); ++i) store<uint64_t>(out.data() + 8 * i, lengths[i]);
  return out;
}

// Opens and reads a container that is only in memory.
inline std::string outcome_of(const Bytes& file, const std::vector<Block<32>>& signers = {}) {
  Disk disk;
  disk.put("m.tenon", file);
  return open_and_read(Disk::path("m.tenon"), {.signers = signers, .system = &disk});
}

inline Bytes made_bytes(const Made& made) {
  Disk disk;
  Made copy = made;
  copy.system = &disk;
  copy.seal(Disk::path("m.tenon"));
  return disk.get("m.tenon");
}

}  // namespace tenon::seal
