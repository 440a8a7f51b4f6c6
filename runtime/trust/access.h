// What an open sealed model may be used for: its own policy and the host's, the principals, the
// clock, and the records that a policy asks for. Implements docs/sealed_format.md, section 9.
// Dependencies: trust sits on formats/seal and never the other way.
#pragma once

#include <atomic>

#include "formats/seal/seal.h"
#include "runtime/trust/audit.h"

namespace tenon::trust {

using seal::Operation;

// Seconds since 1970, never less than what it said before: turning the clock back while the process runs gains nothing.
class ProcessClock {
 public:
  explicit ProcessClock(std::function<int64_t()> source = {}) : source_(std::move(source)) {}
  uint64_t now();

 private:
  std::function<int64_t()> source_;
  std::atomic<uint64_t> largest_{0};
};
ProcessClock& process_clock();

// What the host decides, outside the file.
struct Host {
  std::optional<seal::Policy> policy;   // both this and the file's must allow: a host can narrow, not widen
  std::string expect_model;             // empty: any. Refuses a file without policy
  std::optional<uint64_t> min_release;  // refuses a file without policy
  bool require_sealed = false;          // refuses all that is not a sealed file
  std::vector<std::string> vouched;     // user:NAME and group:NAME that the embedding program vouches for
  std::shared_ptr<AuditLog> audit;      // where a policy asks for records and this is null, the operation fails
  ProcessClock* clock = nullptr;        // null: the process's
};

// True if `path`, or what lies in memory, may only be opened as a sealed file: its name ends in .tenon, it starts as one, or the host
// asks for it.
bool must_be_sealed(const std::string& path, const Host& host);
bool must_be_sealed(seal::View bytes, const Host& host);

// user:NAME or group:NAME, else Error(bad_usage): the only principals a program can vouch for.
void check_vouched(const std::string& principal);

// The rights in one open file. Immutable but for what it has cached; many threads may ask. Records `unload` when it ends.
class Access {
 public:
  Access(const seal::SealedFile& file, Host host);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  // Opening for an operation: model, release, both policies. Writes `load` or `deny`. Throws Error(policy_denied), Error(audit_failed).
  void open(Operation operation);
  // An operation on the open model by the program itself. Writes what the policies ask for: share, export, deny.
  void require(Operation operation);
  // As `require(run)`, at the price of a clock read while the last answer is still valid.
  void require_run();
  // A server's request: the client's principals alone. Writes `deny`.
  void require_for(std::span<const std::string> client, Operation operation);
  bool allows(Operation operation) const;

  // One record for each run, if a policy asks for that. Throws Error(audit_failed).
  bool records_runs() const { return level_ == seal::AuditLevel::run; }
  void record_run(AuditRecord record);

  const std::vector<std::string>& principals() const { return principals_; }
  const std::string& file_id() const { return file_id_; }

 private:
  seal::Decision decide(std::span<const std::string> principals, Operation operation) const;
  void require(std::span<const std::string> principals, Operation operation, std::optional<AuditRecord::Event> granted);
  std::string wrong_model() const;
  AuditRecord record(AuditRecord::Event event, Operation operation, std::string who) const;
  void write(const AuditRecord& record) const;

  Host host_;
  std::optional<seal::Policy> policy_;
  std::string file_id_, slot_id_, opener_;
  std::vector<std::string> principals_;
  seal::AuditLevel level_;
  std::atomic<uint64_t> run_allowed_until_{0};
  std::optional<Operation> opened_for_;
};

// A sealed file opened for an operation: docs/sealed_format.md, section 8.1, step 8 included.
// Failures before the policy is known are recorded as a failed load where the host's policy asks
// for records.
struct Opened {
  std::unique_ptr<seal::SealedFile> file;
  std::shared_ptr<Access> access;
};
Opened open(const std::string& path, seal::OpenOptions options, const Host& host, Operation operation);
Opened open(seal::View container, seal::OpenOptions options, const Host& host, Operation operation);  // in memory

// Changes slots and signatures, which needs the right `share`: docs/sealed_format.md, section 8.4.
void change(const std::string& path, seal::OpenOptions options, const Host& host, const seal::SlotChange& change);

}  // namespace tenon::trust
