// The audit log: one JSON line a record, chained by hashes, with signed checkpoints. Implements
// docs/sealed_format.md, section 10.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "formats/seal/crypto.h"
#include "formats/seal/system.h"

namespace tenon::trust {

// What a record tells. Unknown strings stay empty and unknown numbers 0. No tensor contents, keys or passphrases.
struct AuditRecord {
  enum Event { load, unload, share, export_, deny, run };
  Event event = load;
  std::string file;  // file id, hex
  std::string model;
  uint64_t release = 0;
  std::string slot;  // slot id, hex
  std::string who;   // the principal that decided; never cut
  std::string operation;
  std::string request;  // of a run, as are the next three
  uint64_t bytes_in = 0, bytes_out = 0, milliseconds = 0;
  bool ok = true;
  std::string error;  // the name of a code
};

struct AuditOptions {
  bool sync = true;  // each record is on disk before `write` returns, many at once where many wait; else within 1 s
  std::string build = "tenon";
  std::string continue_from;                           // the file before this one in the same log; used when this one is empty
  std::function<void(std::string_view line)> witness;  // gets every checkpoint line, in order, on a thread of the log. A throw is a failure
  std::chrono::milliseconds checkpoint_after{10'000}, flush_after{900};
  uint64_t checkpoint_records = 10'000;
  seal::System* system = nullptr;
};

// The one writer of a log file. Every function may be called by many threads. After a failed write the log refuses everything with
// Error(audit_failed) until it is opened again.
class AuditLog {
 public:
  // Locks the file, drops a torn last line, continues the chain. `seed` is the log's Ed25519 key. Throws Error(audit_failed): another
  // writer has it, its last line is not a line of a log, it is signed by another key, or the system refused.
  AuditLog(const std::string& path, seal::Secret seed, AuditOptions options = {});
  // Writes stop and a checkpoint where that is still possible.
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void write(const AuditRecord& record);
  void checkpoint();
  // stop, checkpoint, the witness; throws what the destructor could not say.
  void close();
  const seal::Block<32>& public_key() const { return public_key_; }

 private:
  using Clock = std::chrono::steady_clock;

  void continue_chain(const std::string& path);
  void read_tail(const seal::File& file, uint64_t size);
  uint64_t recover(uint64_t size);
  void check_key(uint64_t size);
  void append(std::string_view event, std::string_view fields);  // the lock is held
  void append_checkpoint();
  void append_line(std::string line);
  void wait_until_synced(std::unique_lock<std::mutex>& lock);
  void serve_timers();
  bool timers_turn(std::unique_lock<std::mutex>& lock);
  void throw_if_failed() const;
  [[noreturn]] void fail(std::string what);

  AuditOptions options_;
  seal::System& system_;
  seal::Secret seed_;
  seal::Block<32> public_key_;
  seal::File file_;

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t next_ = 0;
  seal::Block<32> previous_{};
  uint64_t written_ = 0, synced_ = 0;  // lines of this run
  bool syncing_ = false, closed_ = false, stopping_ = false;
  std::string failure_;
  uint64_t unsigned_ = 0;
  Clock::time_point first_unsigned_, first_unsynced_;
  std::deque<std::string> for_witness_;
  std::string recovered_fields_;
  std::thread timers_;
};

// ---- Verification: without a model key and without the host ----

struct AuditVerdict {
  int exit;          // 0 intact, 1 altered, 2 cut short, 3 not readable
  std::string text;  // what was found, for people
  uint64_t records = 0, unsigned_records = 0;
};

// The files in order are one log. `witness` holds lines that stand elsewhere.
AuditVerdict verify_audit(const std::vector<std::string>& files, const seal::Block<32>& public_key, const std::optional<std::string>& witness = {});

// The same over bytes, in pieces.
class AuditVerifier {
 public:
  explicit AuditVerifier(const seal::Block<32>& public_key) : public_key_(public_key) {}

  void add_witness(std::string_view lines);
  void start_file();
  void add(std::string_view bytes);  // of the file that was started
  void not_readable(std::string text) { note(unreadable_, std::move(text)); }
  AuditVerdict finish();

 private:
  void line(std::string_view text);
  void check_checkpoint(std::string_view text, const std::string& place);
  void check_witness(uint64_t n, std::string_view text, const std::string& place);
  static void note(std::string& first, std::string text) { first = first.empty() ? std::move(text) : first; }

  seal::Block<32> public_key_;
  std::multimap<uint64_t, std::string> witness_;
  std::string partial_, unreadable_, altered_, cut_;
  bool too_long_ = false;
  uint64_t next_ = 0, lines_ = 0, unsigned_ = 0;
  seal::Block<32> previous_{};
};

}  // namespace tenon::trust
