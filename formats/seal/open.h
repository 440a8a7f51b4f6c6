// The state of an open file, shared by reading, verifying and changing. The steps below are those
// of docs/sealed_format.md, section 8.1.
#pragma once

#include <atomic>
#include <mutex>

#include "formats/seal/floe.h"
#include "formats/seal/seal.h"

namespace tenon::seal {

// A container in memory, as a file: no more than a reader needs.
class MemorySystem : public System {
 public:
  explicit MemorySystem(View bytes) : bytes_(bytes) {}
  File file() { return File(*this, 0); }
  int close(int) override { return 0; }
  int fstat(int, struct stat* out) override;
  ssize_t pread(int, void* dst, size_t n, off_t offset) override;

 private:
  View bytes_;
};

class Reader;

struct SealedFile::Open {
  Open();
  ~Open();

  std::optional<MemorySystem> memory;
  File file;
  Header header;
  std::vector<Block<32>> signed_by;
  bool compare_digests = false;  // the host names signers, or the file is being verified
  Unlocked unlocked;
  WipedBytes manifest_plain;
  Manifest manifest;
  std::optional<Floe> data;
  int threads = 1;  // of all reads together; one that comes while others are under way starts fewer

  std::atomic<int> working{0};  // threads that read now
  std::mutex idle_mutex;
  int holders = 0;
  std::vector<std::unique_ptr<Reader>> idle;  // while somebody holds: each has a key and the memory of a segment
  std::atomic<uint64_t> segments_opened{0};
  std::mutex poison_mutex;
  std::optional<Error> poison;
  std::atomic<bool> poisoned{false};
  // The segment that was last opened for a part of it: small neighbouring blobs are read one after the other.
  std::mutex recent_mutex;
  uint64_t recent_segment = UINT64_MAX;
  WipedBytes recent;
};

System& system_of(const OpenOptions& options);

// Section 8.1, step 1 (its second half for a file that is open), then steps 2 and 3.
File open_file(System& system, const std::string& path);
void check_kind(const File& file);
Header read_header(const File& file, int most_log_n);
// Section 8.1, steps 1 to 7, for a file that is open already. The file key stays in `unlocked` only
// if `keep_file_key`.
std::unique_ptr<SealedFile::Open> open_steps(File file, const OpenOptions& options, bool keep_file_key);
void open_steps(SealedFile::Open& open, const OpenOptions& options, bool keep_file_key);  // whose file is set

// Bytes of segment i of a stream of n plaintext bytes, and its offset from the start of the stream.
size_t segment_size(uint64_t n, int segment_log2, uint64_t i);
inline uint64_t segment_offset(int segment_log2, uint64_t i) { return Floe::kHeader + i * ((uint64_t{1} << segment_log2) + Floe::kOverhead); }

// One stream as bytes in the file.
struct Stream {
  std::string_view name, root_label;
  uint64_t offset, plain;
  View root;
};
Stream data_stream(const Header& header);
Stream manifest_stream(const Header& header);

// Reads a stream one segment at a time, gives its bytes to `sink`, and compares its root: Error(seal_damaged).
void read_stream(const File& file, const Header& header, const Stream& stream, const std::function<void(View)>& sink);

// Opens every data segment, digests compared.
void open_every_segment(SealedFile::Open& open);

// Runs an entry point; memory that is not to be had becomes Error(resource), and what is opened is put around every error.
template <class Body>
auto guarded(std::string_view doing, const std::string& what, Body&& body) {
  return within([&] { return std::string(doing) + " " + printable(what); },
                [&] {
                  try {
                    return body();
                  } catch (const std::bad_alloc&) { throw Error(Code::resource, "not enough memory"); }
                });
}

}  // namespace tenon::seal
