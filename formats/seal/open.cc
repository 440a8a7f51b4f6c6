#include "formats/seal/open.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

namespace tenon::seal {

System& system_of(const OpenOptions& options) { return options.system ? *options.system : real_system(); }

File open_file(System& system, const std::string& path) {
  // O_NONBLOCK: opening a FIFO returns at once.
  File file(system, retry([&] { return system.open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0); }));
  if (!file) fail_io("opening the file");
  check_kind(file);
  return file;
}

void check_kind(const File& file) {
  struct stat status;
  if (file.system().fstat(file.fd(), &status) != 0) fail_io("looking at the file");
  if (!S_ISREG(status.st_mode)) throw Error(Code::not_sealed, "not a regular file");
  if (status.st_size < static_cast<off_t>(kLeastHeader)) throw Error(Code::not_sealed, "shorter than 4,096 bytes");
}

int MemorySystem::fstat(int, struct stat* out) {
  *out = {};
  out->st_mode = S_IFREG;
  out->st_size = static_cast<off_t>(bytes_.size());
  return 0;
}

ssize_t MemorySystem::pread(int, void* dst, size_t n, off_t offset) {
  const size_t at = std::min(static_cast<size_t>(offset), bytes_.size()), count = std::min(n, bytes_.size() - at);
  if (count) std::memcpy(dst, bytes_.data() + at, count);
  return static_cast<ssize_t>(count);
}

Header read_header(const File& file, int most_log_n) {
  if (most_log_n < kMostLogN || most_log_n > kMostLogNByOption) throw Error(Code::bad_usage, "the limit of logN is not 18 to 22");
  Bytes bytes(kLeastHeader);
  read_all(file, bytes, 0, "header");
  const size_t size = check_front(bytes);
  Header sizes;  // an identity and a size tell how long the file must be
  std::copy_n(bytes.begin(), kIdentity, sizes.identity.bytes.begin());
  const uint64_t streams = floe_length(sizes.identity.data_plain(), sizes.identity.segment_log2()) +
                           floe_length(sizes.identity.manifest_plain(), sizes.identity.segment_log2());
  struct stat status;
  if (file.system().fstat(file.fd(), &status) != 0) fail_io("looking at the file");
  const uint64_t expected = size + streams, found = static_cast<uint64_t>(status.st_size);
  if (found != expected) {
    throw Error(found < expected ? Code::seal_truncated : Code::seal_trailing,
                "the file has " + std::to_string(found) + " bytes, its header says " + std::to_string(expected));
  }
  bytes.resize(size);
  read_all(file, std::span(bytes).subspan(kLeastHeader), kLeastHeader, "header");
  return parse_header(std::move(bytes), most_log_n);
}

size_t segment_size(uint64_t n, int segment_log2, uint64_t i) {
  const uint64_t size = uint64_t{1} << segment_log2, count = segments(n, segment_log2);
  return static_cast<size_t>(i + 1 < count ? size : n - i * size) + Floe::kOverhead;
}

Stream data_stream(const Header& header) {
  return {"data stream", kDataRoot, header.data_offset(), header.identity.data_plain(), header.data_root()};
}

Stream manifest_stream(const Header& header) {
  return {"manifest stream", kManifestRoot, header.manifest_offset(), header.identity.manifest_plain(), header.manifest_root()};
}

void read_stream(const File& file, const Header& header, const Stream& stream, const std::function<void(View)>& sink) {
  const int log2 = header.identity.segment_log2();
  Bytes bytes(std::max(segment_size(stream.plain, log2, 0), Floe::kHeader));
  const auto take = [&](size_t n, uint64_t offset) {
    const std::span<uint8_t> part = std::span(bytes).first(n);
    read_all(file, part, stream.offset + offset, stream.name);
    sink(part);
    return View(part);
  };
  RootHash root(stream.root_label, take(Floe::kHeader, 0));
  for (uint64_t i = 0; i < segments(stream.plain, log2); ++i) root.add(sha256({take(segment_size(stream.plain, log2, i), segment_offset(log2, i))}));
  if (!equal(root.finish(), stream.root)) throw Error(Code::seal_damaged, std::string(stream.name) + ": the root does not fit");
}

namespace {

FloeParameters parameters(const FileIdentity& identity) { return {.segment = (uint32_t{1} << identity.segment_log2()) + Floe::kOverhead}; }

// docs/sealed_format.md, section 8.1, step 6. The bytes that are hashed are the bytes that are
// opened.
void open_manifest(SealedFile::Open& open) {
  const Stream stream = manifest_stream(open.header);
  const int log2 = open.header.identity.segment_log2();
  const size_t size = floe_length(stream.plain, log2);
  const auto cipher = std::make_unique_for_overwrite<uint8_t[]>(size);
  read_all(open.file, {cipher.get(), size}, stream.offset, stream.name);
  const auto segment = [&](uint64_t i) { return View(cipher.get() + segment_offset(log2, i), segment_size(stream.plain, log2, i)); };

  const uint64_t count = segments(stream.plain, log2);
  RootHash root(stream.root_label, View(cipher.get(), Floe::kHeader));
  for (uint64_t i = 0; i < count; ++i) root.add(sha256({segment(i)}));
  if (!equal(root.finish(), stream.root)) throw Error(Code::seal_damaged, "manifest stream: the root does not fit");

  within([] { return "manifest stream"; },
         [&] {
           const Floe floe(parameters(open.header.identity), open.unlocked.keys.manifest, open.header.identity.bytes,
                           View(cipher.get(), Floe::kHeader));
           FloeCipher opener(floe);
           open.manifest_plain.resize(stream.plain);
           for (uint64_t i = 0; i < count; ++i) opener.open(i, i + 1 == count, segment(i), open.manifest_plain.data() + (i << log2));
         });
  open.manifest = parse_manifest(open.manifest_plain, open.header.identity);
}

// docs/sealed_format.md, section 8.1, step 7.
void open_data_header(SealedFile::Open& open) {
  const Stream stream = data_stream(open.header);
  Block<Floe::kHeader> bytes;
  read_all(open.file, bytes, stream.offset, stream.name);
  RootHash root(stream.root_label, bytes);
  root.add(open.manifest.digests);
  if (!equal(root.finish(), stream.root)) throw Error(Code::seal_damaged, "data stream: the root does not fit the digests");
  within([] { return "data stream"; },
         [&] { open.data.emplace(parameters(open.header.identity), open.unlocked.keys.data, open.header.identity.bytes, View(bytes)); });
}

int default_threads() { return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u)); }

}  // namespace

std::unique_ptr<SealedFile::Open> open_steps(File file, const OpenOptions& options, bool keep_file_key) {
  auto out = std::make_unique<SealedFile::Open>();
  out->file = std::move(file);
  open_steps(*out, options, keep_file_key);
  return out;
}

void open_steps(SealedFile::Open& open, const OpenOptions& options, bool keep_file_key) {
  open.threads = options.threads > 0 ? options.threads : default_threads();
  open.header = read_header(open.file, options.most_log_n);
  open.signed_by = check_signatures(open.header, options.signers);
  open.compare_digests = !options.signers.empty();
  static const KeyRing no_keys;
  open.unlocked = unlock(open.header, options.keys ? *options.keys : no_keys, options.command_timeout);
  open_manifest(open);
  open_data_header(open);
  open.unlocked.keys.manifest = Secret();
  open.unlocked.keys.data = Secret();
  if (!keep_file_key) {
    open.unlocked.file_key = Secret();
    open.unlocked.keys.header = Secret();
  }
}

}  // namespace tenon::seal
