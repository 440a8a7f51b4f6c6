#include "formats/seal/seal.h"

#include <fcntl.h>

#include <algorithm>

#include "base/threads.h"
#include "formats/seal/open.h"

namespace tenon::seal {

SealedFile::SealedFile(std::unique_ptr<Open> open) : open_(std::move(open)) {}
SealedFile::~SealedFile() = default;

std::unique_ptr<SealedFile> SealedFile::admitted(std::unique_ptr<Open> open, const OpenOptions& options) {
  std::unique_ptr<SealedFile> out(new SealedFile(std::move(open)));
  if (options.admit) options.admit(*out);
  return out;
}

std::unique_ptr<SealedFile> SealedFile::open(const std::string& path, const OpenOptions& options) {
  return guarded("cannot open", path, [&] { return admitted(open_steps(open_file(system_of(options), path), options, false), options); });
}

std::unique_ptr<SealedFile> SealedFile::open(View container, const OpenOptions& options) {
  return guarded("cannot open", "the container in memory", [&] {
    auto open = std::make_unique<Open>();
    open->file = open->memory.emplace(container).file();
    check_kind(open->file);
    open_steps(*open, options, false);
    return admitted(std::move(open), options);
  });
}

View SealedFile::model() const { return open_->manifest.model; }
const std::optional<Policy>& SealedFile::policy() const { return open_->manifest.policy; }
const std::optional<Metadata>& SealedFile::metadata() const { return open_->manifest.metadata; }
std::optional<std::string_view> SealedFile::policy_text() const { return policy() ? std::optional(open_->manifest.policy_text) : std::nullopt; }
std::optional<std::string_view> SealedFile::metadata_text() const { return metadata() ? std::optional(open_->manifest.metadata_text) : std::nullopt; }
const std::vector<Blob>& SealedFile::blobs() const { return open_->manifest.blobs; }
uint64_t SealedFile::data_size() const { return identity().data_plain(); }
const FileIdentity& SealedFile::identity() const { return open_->header.identity; }
const std::vector<Slot>& SealedFile::slots() const { return open_->header.slots; }
const std::vector<SignatureRecord>& SealedFile::signatures() const { return open_->header.signatures; }
const Slot& SealedFile::slot() const { return open_->header.slots[open_->unlocked.slot]; }
const std::string& SealedFile::principal() const { return open_->unlocked.principal; }
const std::vector<Block<32>>& SealedFile::signed_by() const { return open_->signed_by; }
View SealedFile::core() const { return open_->header.core(); }
uint64_t SealedFile::segments_opened() const { return open_->segments_opened; }

namespace {

// The part of one segment that goes to one destination.
struct Part {
  uint64_t segment;
  size_t offset, size;
  uint8_t* destination;
};

std::vector<Part> cut(std::span<const Piece> pieces, uint64_t data_size, int log2) {
  std::vector<Part> out;
  for (const Piece& piece : pieces) {
    if (piece.offset > data_size || piece.destination.size() > data_size - piece.offset) {
      throw Error(Code::bad_usage, "bytes " + std::to_string(piece.offset) + " and the " + std::to_string(piece.destination.size()) +
                                       " that follow leave the data, " + std::to_string(data_size) + " bytes");
    }
    for (size_t done = 0; done < piece.destination.size();) {
      const uint64_t at = piece.offset + done;
      const size_t offset = at & ((uint64_t{1} << log2) - 1), n = std::min<size_t>((size_t{1} << log2) - offset, piece.destination.size() - done);
      out.push_back({at >> log2, offset, n, piece.destination.data() + done});
      done += n;
    }
  }
  if (!std::is_sorted(out.begin(), out.end(), [](const Part& a, const Part& b) { return a.segment < b.segment; })) {
    std::stable_sort(out.begin(), out.end(), [](const Part& a, const Part& b) { return a.segment < b.segment; });
  }
  return out;
}

}  // namespace

// Opens data segments for one thread.
class Reader {
 public:
  explicit Reader(SealedFile::Open& open)
      : open_(open), log2_(open.header.identity.segment_log2()), plain_(open.header.identity.data_plain()), cipher_(*open.data) {}

  size_t plain_size(uint64_t i) const { return segment_size(plain_, log2_, i) - Floe::kOverhead; }

  // Digest, tag and decryption see the same private copy of the segment.
  void open_segment(uint64_t i, uint8_t* destination) {
    const size_t n = segment_size(plain_, log2_, i);
    if (!bytes_) bytes_ = std::make_unique_for_overwrite<uint8_t[]>(segment_size(plain_, log2_, 0));
    const View segment(bytes_.get(), n);
    read_all(open_.file, {bytes_.get(), n}, open_.header.data_offset() + segment_offset(log2_, i), "data stream, segment " + std::to_string(i));
    if (open_.compare_digests && !equal(hash_.update(segment).finish(), open_.manifest.digests.subspan(32 * i, 32))) {
      throw Error(Code::seal_damaged, "data stream, segment " + std::to_string(i) + ": the digest does not fit");
    }
    within([] { return "data stream"; }, [&] { cipher_.open(i, i + 1 == segments(plain_, log2_), segment, destination); });
    open_.segments_opened.fetch_add(1, std::memory_order_relaxed);
  }

  void open_and_forget(uint64_t i) {
    scratch_.resize(plain_size(i));
    open_segment(i, scratch_.data());
  }

  // `parts` are all of one segment.
  void read(std::span<const Part> parts) {
    const uint64_t i = parts[0].segment;
    if (parts.size() == 1 && parts[0].size == plain_size(i)) return open_segment(i, parts[0].destination);
    if (parts.size() == 1) return read_through_recent(parts[0]);
    scratch_.resize(plain_size(i));
    open_segment(i, scratch_.data());
    for (const Part& part : parts) std::memcpy(part.destination, scratch_.data() + part.offset, part.size);
  }

 private:
  void read_through_recent(const Part& part) {
    const std::unique_lock lock(open_.recent_mutex, std::try_to_lock);
    if (!lock) {
      scratch_.resize(plain_size(part.segment));
      open_segment(part.segment, scratch_.data());
      std::memcpy(part.destination, scratch_.data() + part.offset, part.size);
      return;
    }
    if (open_.recent_segment != part.segment) {
      open_.recent_segment = UINT64_MAX;
      open_.recent.resize(plain_size(part.segment));
      open_segment(part.segment, open_.recent.data());
      open_.recent_segment = part.segment;
    }
    std::memcpy(part.destination, open_.recent.data() + part.offset, part.size);
  }

  SealedFile::Open& open_;
  int log2_;
  uint64_t plain_;
  FloeCipher cipher_;
  Sha256 hash_;
  std::unique_ptr<uint8_t[]> bytes_;
  WipedBytes scratch_;
};

SealedFile::Open::Open() = default;
SealedFile::Open::~Open() = default;

namespace {

std::unique_ptr<Reader> take_reader(SealedFile::Open& open) {
  const std::lock_guard lock(open.idle_mutex);
  if (open.idle.empty()) return std::make_unique<Reader>(open);
  std::unique_ptr<Reader> out = std::move(open.idle.back());
  open.idle.pop_back();
  return out;
}

void give_back(SealedFile::Open& open, std::unique_ptr<Reader> reader) {
  const std::lock_guard lock(open.idle_mutex);
  if (open.holders) open.idle.push_back(std::move(reader));
}

// The first failure stays; every read fails with it.
void poison(SealedFile::Open& open, const Error& error) {
  const std::lock_guard lock(open.poison_mutex);
  if (!open.poison) open.poison = error;
  open.poisoned = true;
}

void throw_if_poisoned(SealedFile::Open& open) {
  if (!open.poisoned) return;
  const std::lock_guard lock(open.poison_mutex);
  throw *open.poison;
}

// Calls `each` with a Reader for every i below count, on several threads; what it throws poisons the file.
void each_on_threads(SealedFile::Open& open, uint64_t count, const std::function<void(Reader&, uint64_t)>& each) {
  std::atomic<uint64_t> next{0};
  const auto worker = [&] {
    try {
      std::unique_ptr<Reader> reader = take_reader(open);
      for (uint64_t i; !open.poisoned && (i = next.fetch_add(1)) < count;) each(*reader, i);
      give_back(open, std::move(reader));
    } catch (const Error& error) { poison(open, error); } catch (const std::exception&) {
      poison(open, Error(Code::resource, "not enough memory to read"));
    }
  };
  const int free = std::max(open.threads - open.working, 1), threads = static_cast<int>(std::min<uint64_t>(count, static_cast<uint64_t>(free)));
  open.working += threads;
  on_threads(threads, worker);
  open.working -= threads;
}

}  // namespace

std::shared_ptr<void> SealedFile::hold(std::shared_ptr<const SealedFile> file) {
  Open& open = *file->open_;
  const std::lock_guard lock(open.idle_mutex);
  std::shared_ptr<void> out(&open, [file](void*) {
    const std::lock_guard at_end(file->open_->idle_mutex);
    if (--file->open_->holders == 0) file->open_->idle.clear();
  });
  ++open.holders;
  return out;
}

void SealedFile::read(uint64_t offset, std::span<uint8_t> destination) const {
  const Piece piece{offset, destination};
  read({&piece, 1});
}

void SealedFile::read(std::span<const Piece> pieces) const {
  throw_if_poisoned(*open_);
  const std::vector<Part> parts = cut(pieces, data_size(), identity().segment_log2());
  std::vector<size_t> starts;  // of the parts of each segment
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i == 0 || parts[i].segment != parts[i - 1].segment) starts.push_back(i);
  }
  starts.push_back(parts.size());
  each_on_threads(*open_, starts.size() - 1,
                  [&](Reader& reader, uint64_t i) { reader.read(std::span(parts).subspan(starts[i], starts[i + 1] - starts[i])); });
  if (!open_->poisoned) return;
  for (const Piece& piece : pieces) wipe(piece.destination.data(), piece.destination.size());
  throw_if_poisoned(*open_);
}

void open_every_segment(SealedFile::Open& open) {
  open.compare_digests = true;
  each_on_threads(open, open.header.identity.data_segments(), [](Reader& reader, uint64_t i) { reader.open_and_forget(i); });
  throw_if_poisoned(open);
}

Header read_header(const std::string& path, const OpenOptions& options) {
  return guarded("cannot open", path, [&] { return read_header(open_file(system_of(options), path), options.most_log_n); });
}

bool is_sealed(const std::string& path) {
  System& system = real_system();
  const File file(system, retry([&] { return system.open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0); }));
  Block<8> magic;
  return file && retry([&] { return system.pread(file.fd(), magic.data(), magic.size(), 0); }) == 8 && has_magic(magic);
}

std::vector<Block<32>> verify(const std::string& path, const OpenOptions& options) {
  return guarded("cannot verify", path, [&] {
    File file = open_file(system_of(options), path);
    if (options.keys && !options.keys->empty()) {
      const auto open = open_steps(std::move(file), options, false);
      open_every_segment(*open);
      return open->signed_by;
    }
    const Header header = read_header(file, options.most_log_n);
    std::vector<Block<32>> signed_by = check_signatures(header, options.signers);
    for (const Stream& stream : {data_stream(header), manifest_stream(header)}) read_stream(file, header, stream, [](View) {});
    return signed_by;
  });
}

}  // namespace tenon::seal
