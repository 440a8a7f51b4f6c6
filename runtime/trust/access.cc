#include "runtime/trust/access.h"

#include <algorithm>

namespace tenon::trust {

using seal::AuditLevel;
using seal::Decision;

uint64_t ProcessClock::now() {
  const int64_t wall = source_ ? source_() : seal::real_system().now_ms() / 1000;
  const uint64_t read = wall > 0 ? static_cast<uint64_t>(wall) : 0;
  uint64_t largest = largest_.load(std::memory_order_relaxed);
  while (read > largest && !largest_.compare_exchange_weak(largest, read, std::memory_order_relaxed)) {}
  return std::max(read, largest);
}

ProcessClock& process_clock() {
  static ProcessClock clock;
  return clock;
}

namespace {
bool asks_for_sealed(const Host& host) { return host.require_sealed || !host.expect_model.empty() || host.min_release; }
}  // namespace

bool must_be_sealed(const std::string& path, const Host& host) { return asks_for_sealed(host) || path.ends_with(".tenon") || seal::is_sealed(path); }

bool must_be_sealed(seal::View bytes, const Host& host) { return asks_for_sealed(host) || (bytes.size() >= 8 && seal::has_magic(bytes.first(8))); }

void check_vouched(const std::string& principal) {
  const bool named = principal.starts_with("user:") || principal.starts_with("group:");
  if (!named || !seal::is_principal(principal)) {
    throw Error(Code::bad_usage, "\"" + printable(principal) + "\" is not user:NAME or group:NAME with a name of 1 to 128 bytes of 21 to 7E");
  }
}

Access::Access(const seal::SealedFile& file, Host host)
    : host_(std::move(host)),
      policy_(file.policy()),
      file_id_(seal::hex(file.identity().file_id())),
      slot_id_(seal::hex(file.slot().id)),
      opener_(file.principal()) {
  principals_ = {"any", opener_};
  for (const std::string& name : host_.vouched) {
    check_vouched(name);
    principals_.push_back(name);
  }
  level_ = std::max(policy_ ? policy_->audit : AuditLevel::none, host_.policy ? host_.policy->audit : AuditLevel::none);
}

Access::~Access() {
  if (!opened_for_) return;
  try {
    write(record(AuditRecord::unload, *opened_for_, opener_));
  } catch (const Error&) {
    // The log keeps its failure and refuses the next operation.
  }
}

// Both must allow; of two denials the file's is told.
Decision Access::decide(std::span<const std::string> principals, Operation operation) const {
  const uint64_t now = (host_.clock ? *host_.clock : process_clock()).now();
  Decision file = seal::decide(policy_ ? &*policy_ : nullptr, principals, operation, now);
  if (!file.allow) return file;
  Decision host = seal::decide(host_.policy ? &*host_.policy : nullptr, principals, operation, now);
  if (!host.allow) {
    host.reason += " (host policy)";
    return host;
  }
  file.until = std::min(file.until, host.until);
  if (file.who.empty()) file.who = host.who;
  return file;
}

bool Access::allows(Operation operation) const { return decide(principals_, operation).allow; }

AuditRecord Access::record(AuditRecord::Event event, Operation operation, std::string who) const {
  return {.event = event,
          .file = file_id_,
          .model = policy_ ? policy_->model : "",
          .release = policy_ ? policy_->release : 0,
          .slot = slot_id_,
          .who = std::move(who),
          .operation = std::string(seal::name(operation))};
}

void Access::write(const AuditRecord& record) const {
  if (level_ == AuditLevel::none) return;
  if (!host_.audit) throw Error(Code::audit_failed, "the policy asks for audit records and no audit log is configured");
  host_.audit->write(record);
}

void Access::require(std::span<const std::string> principals, Operation operation, std::optional<AuditRecord::Event> granted) {
  Decision decision = decide(principals, operation);
  // Without a grant the one who asks is named: a server's client, or the key that opened the file.
  std::string who = !decision.who.empty()                                           ? decision.who
                    : principals.data() == principals_.data() || principals.empty() ? opener_
                                                                                    : principals.back();
  if (decision.allow) {
    if (granted) write(record(*granted, operation, std::move(who)));
    return;
  }
  AuditRecord denial = record(AuditRecord::deny, operation, std::move(who));
  denial.ok = false;
  denial.error = name(Code::policy_denied);
  write(denial);
  throw Error(Code::policy_denied, std::string(seal::name(operation)) + " is not allowed: " + decision.reason);
}

std::string Access::wrong_model() const {
  const bool asked = !host_.expect_model.empty() || host_.min_release;
  if (asked && !policy_) return "the host expects a model or a release, and the file has no policy that names one";
  if (!host_.expect_model.empty() && policy_->model != host_.expect_model)
    return "the model is " + policy_->model + ", not " + printable(host_.expect_model);
  if (host_.min_release && policy_->release < *host_.min_release) {
    return "the release is " + std::to_string(policy_->release) + ", older than " + std::to_string(*host_.min_release);
  }
  return "";
}

void Access::open(Operation operation) {
  if (const std::string reason = wrong_model(); !reason.empty()) {
    AuditRecord denial = record(AuditRecord::deny, operation, opener_);
    denial.ok = false;
    denial.error = name(Code::policy_denied);
    write(denial);
    throw Error(Code::policy_denied, reason);
  }
  require(principals_, operation, AuditRecord::load);
  opened_for_ = operation;
}

void Access::require(Operation operation) {
  std::optional<AuditRecord::Event> event;
  if (operation == Operation::share) event = AuditRecord::share;
  if (operation == Operation::export_) event = AuditRecord::export_;
  require(principals_, operation, event);
}

void Access::require_run() {
  if ((host_.clock ? *host_.clock : process_clock()).now() < run_allowed_until_.load(std::memory_order_relaxed)) return;
  const Decision decision = decide(principals_, Operation::run);
  if (!decision.allow) return require(principals_, Operation::run, std::nullopt);
  run_allowed_until_.store(decision.until, std::memory_order_relaxed);
}

void Access::require_for(std::span<const std::string> client, Operation operation) { require(client, operation, std::nullopt); }

void Access::record_run(AuditRecord run) {
  if (!records_runs()) return;
  run.event = AuditRecord::run;
  run.file = file_id_;
  run.model = policy_ ? policy_->model : "";
  if (run.who.empty()) run.who = opener_;
  write(run);
}

namespace {

// A file that did not open has no policy; the host's may ask for a record.
void record_failure(const Host& host, Operation operation, const Error& error) {
  if (!host.policy || host.policy->audit == AuditLevel::none || !host.audit) return;
  host.audit->write(
      {.event = AuditRecord::load, .operation = std::string(seal::name(operation)), .ok = false, .error = std::string(name(error.code()))});
}

template <class From>
Opened open_from(const From& from, seal::OpenOptions options, const Host& host, Operation operation) {
  Opened out;
  options.admit = [&](const seal::SealedFile& file) {
    out.access = std::make_shared<Access>(file, host);
    out.access->open(operation);
  };
  try {
    out.file = seal::SealedFile::open(from, options);
  } catch (const Error& error) {
    if (!out.access) record_failure(host, operation, error);
    throw;
  }
  return out;
}

}  // namespace

Opened open(const std::string& path, seal::OpenOptions options, const Host& host, Operation operation) {
  return open_from(path, std::move(options), host, operation);
}

Opened open(seal::View container, seal::OpenOptions options, const Host& host, Operation operation) {
  return open_from(container, std::move(options), host, operation);
}

void change(const std::string& path, seal::OpenOptions options, const Host& host, const seal::SlotChange& change) {
  std::shared_ptr<Access> access;
  options.admit = [&](const seal::SealedFile& file) {
    access = std::make_shared<Access>(file, host);
    access->open(Operation::share);
    access->require(Operation::share);
  };
  seal::change(path, options, change);
}

}  // namespace tenon::trust
