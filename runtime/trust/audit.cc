#include "runtime/trust/audit.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "runtime/trust/audit_line.h"

namespace tenon::trust {

using seal::ascii;
using seal::Block;
using seal::Bytes;
using seal::File;
using seal::hex;
using seal::retry;
using seal::View;

namespace {

constexpr uint64_t kMostInteger = (uint64_t{1} << 53) - 1;
constexpr std::string_view kEventNames[] = {"load", "unload", "share", "export", "deny", "run"};

void put(std::string& out, const char* field, uint64_t value) {
  ((((out += ",\"") += field) += "\":") += std::to_string(std::min(value, kMostInteger)));
}
void put(std::string& out, const char* field, bool value) { ((((out += ",\"") += field) += "\":") += value ? "true" : "false"); }
void put(std::string& out, const char* field, std::string_view value, size_t most = 256) {
  ((out += ",\"") += field) += "\":";
  append_json(out, value, most);
}

// The fields of a record, in the order of docs/sealed_format.md, section 10. `request` is cut
// further where the line would be too long.
std::string fields_of(const AuditRecord& r, size_t most_request) {
  std::string out;
  put(out, "file", r.file);
  put(out, "model", r.model);
  if (r.event == AuditRecord::run) {
    put(out, "who", r.who, SIZE_MAX);
    put(out, "req", r.request, most_request);
    put(out, "in", r.bytes_in);
    put(out, "out", r.bytes_out);
    put(out, "ms", r.milliseconds);
  } else {
    put(out, "release", r.release);
    put(out, "slot", r.slot);
    put(out, "who", r.who, SIZE_MAX);
    put(out, "op", r.operation);
  }
  put(out, "ok", r.ok);
  put(out, "err", r.error);
  return out;
}

constexpr size_t kMostFront = 5 + 16 + 9 + 64 + 6 + 16 + 7 + 10 + 1 + 2;  // a line without its fields, at its longest

std::string fitting_fields(const AuditRecord& record) {
  size_t most = 256;
  std::string out = fields_of(record, most);
  while (out.size() + kMostFront > kMostLine && most > 0) out = fields_of(record, most /= 2);
  return out;
}

}  // namespace

AuditLog::AuditLog(const std::string& path, seal::Secret seed, AuditOptions options)
    : options_(std::move(options)), system_(options_.system ? *options_.system : seal::real_system()), seed_(std::move(seed)) {
  try {
    public_key_ = seal::ed25519_public(seed_);
    continue_chain(path);
    std::string fields;
    if (next_ == 0) {
      Block<16> number;
      seal::random_bytes(system_, number);
      put(fields, "log", std::string_view(hex(number)));
      put(fields, "pub", std::string_view(hex(public_key_)));
    }
    put(fields, "build", std::string_view(options_.build));
    append("start", fields);
    if (!recovered_fields_.empty()) append("recover", recovered_fields_);
    std::unique_lock lock(mutex_);
    wait_until_synced(lock);
  } catch (Error& error) { throw Error(Code::audit_failed, error.what()).within("audit log " + printable(path)); }
  timers_ = std::thread([this] { serve_timers(); });
}

AuditLog::~AuditLog() {
  try {
    close();
  } catch (const std::exception&) {
    // The operations since the last checkpoint had their own errors, or stay unsigned, which `audit verify` counts.
  }
}

void AuditLog::continue_chain(const std::string& path) {
  file_ = File(system_, retry([&] { return system_.open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600); }));
  if (!file_) seal::fail_io("opening it");
  if (retry([&] { return system_.flock(file_.fd(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) fail("another program writes it");
    seal::fail_io("locking it");
  }
  struct stat status;
  if (system_.fstat(file_.fd(), &status) != 0) seal::fail_io("looking at it");
  if (!S_ISREG(status.st_mode)) fail("it is not a regular file");
  const uint64_t size = recover(static_cast<uint64_t>(status.st_size));
  check_key(size);
  if (size) return read_tail(file_, size);
  if (options_.continue_from.empty()) return;
  const File before(system_, retry([&] { return system_.open(options_.continue_from.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY, 0); }));
  if (!before) seal::fail_io("opening the file before it");
  if (system_.fstat(before.fd(), &status) != 0) seal::fail_io("looking at the file before it");
  read_tail(before, static_cast<uint64_t>(status.st_size));
}

// Cuts off what follows the last LF; the size that stays.
uint64_t AuditLog::recover(uint64_t size) {
  uint64_t keep = 0;
  Bytes piece;
  for (uint64_t end = size; end > 0 && keep == 0;) {
    const uint64_t start = end > kMostLine ? end - kMostLine : 0;
    piece.resize(end - start);
    seal::read_all(file_, piece, start, "log");
    const auto last = std::find(piece.rbegin(), piece.rend(), uint8_t{'\n'});
    if (last != piece.rend()) keep = start + static_cast<uint64_t>(piece.rend() - last);
    end = start;
  }
  if (keep == size) return size;
  seal::Sha256 sum;
  for (uint64_t at = keep; at < size;) {
    piece.resize(std::min<uint64_t>(size - at, kMostLine));
    seal::read_all(file_, piece, at, "log");
    sum.update(piece);
    at += piece.size();
  }
  if (retry([&] { return system_.ftruncate(file_.fd(), static_cast<off_t>(keep)); }) != 0) seal::fail_io("dropping a torn last line");
  put(recovered_fields_, "dropped", size - keep);
  put(recovered_fields_, "sum", std::string_view(hex(sum.finish())));
  return keep;
}

// A log that begins in this file names its key.
void AuditLog::check_key(uint64_t size) {
  Bytes piece(std::min<uint64_t>(size, kMostLine));
  if (piece.empty()) return;
  seal::read_all(file_, piece, 0, "log");
  const std::string_view first = seal::text(piece).substr(0, seal::text(piece).find('\n'));
  if (!first.starts_with("{\"n\":0,")) return;
  const std::string expected = "\"pub\":\"" + hex(public_key_) + "\"";
  if (first.find(expected) == std::string_view::npos) fail("it is signed by another key");
}

void AuditLog::read_tail(const File& file, uint64_t size) {
  Bytes piece(std::min<uint64_t>(size, kMostLine));
  seal::read_all(file, piece, size - piece.size(), "log");
  std::string_view line = seal::text(piece);
  if (!line.ends_with('\n')) fail("its last line is torn");
  line.remove_suffix(1);
  const size_t before = line.rfind('\n');
  if (before != std::string_view::npos) line.remove_prefix(before + 1);
  LineFront front;
  if (!parse_line(line, front)) fail("its last line is not a line of an audit log");
  next_ = front.n + 1;
  previous_ = line_hash(line);
}

void AuditLog::fail(std::string what) {
  failure_ = what;
  changed_.notify_all();
  throw Error(Code::audit_failed, std::move(what));
}

void AuditLog::throw_if_failed() const {
  if (!failure_.empty()) throw Error(Code::audit_failed, failure_ + "; nothing is recorded until the log is opened again");
  if (closed_) throw Error(Code::audit_failed, "the audit log is closed");
}

void AuditLog::append_line(std::string line) {
  if (line.size() >= kMostLine) throw Error(Code::audit_failed, "a record does not fit into 4,096 bytes");
  const Block<32> hash = line_hash(line);
  line += '\n';
  View rest = ascii(line);
  while (!rest.empty()) {
    const ssize_t n = retry([&] { return system_.write(file_.fd(), rest.data(), rest.size()); });
    if (n <= 0) {
      char text[128];
      fail("a record cannot be written: " + std::string(n < 0 ? strerror_r(errno, text, sizeof text) : "nothing was written"));
    }
    rest = rest.subspan(static_cast<size_t>(n));
  }
  previous_ = hash;
  ++next_;
  if (written_++ == synced_) first_unsynced_ = Clock::now();
}

namespace {

std::string front(uint64_t n, View previous, int64_t time, std::string_view event) {
  std::string out = "{\"n\":" + std::to_string(n) + ",\"prev\":\"" + hex(previous) + "\",\"t\":" + std::to_string(time) + ",\"ev\":\"";
  return (out += event) += '"';
}

}  // namespace

void AuditLog::append(std::string_view event, std::string_view fields) {
  append_line((front(next_, previous_, system_.now_ms(), event) += fields) += '}');
  if (unsigned_++ == 0) first_unsigned_ = Clock::now();
}

void AuditLog::append_checkpoint() {
  std::string line = front(next_, previous_, system_.now_ms(), "checkpoint");
  Bytes message(ascii(kCheckpointLabel).begin(), ascii(kCheckpointLabel).end());
  message.insert(message.end(), line.begin(), line.end());
  ((line += ",\"sig\":\"") += hex(seal::ed25519_sign(seed_, message))) += "\"}";
  append_line(line);
  unsigned_ = 0;
  if (options_.witness) {
    for_witness_.push_back(std::move(line));
    changed_.notify_all();
  }
}

// One caller syncs for all whose lines are written; the others wait for it.
void AuditLog::wait_until_synced(std::unique_lock<std::mutex>& lock) {
  const uint64_t mine = written_;
  while (synced_ < mine) {
    if (!failure_.empty()) throw_if_failed();
    if (syncing_) {
      changed_.wait(lock);
      continue;
    }
    syncing_ = true;
    const uint64_t target = written_;
    lock.unlock();
    const int result = retry([&] { return system_.fdatasync(file_.fd()); });
    const int error = errno;
    lock.lock();
    syncing_ = false;
    if (result != 0) {
      char text[128];
      fail("a record cannot be synced: " + std::string(strerror_r(error, text, sizeof text)));
    }
    synced_ = target;
    if (written_ > synced_) first_unsynced_ = Clock::now();
    changed_.notify_all();
  }
}

void AuditLog::write(const AuditRecord& record) {
  const std::string fields = fitting_fields(record);
  std::unique_lock lock(mutex_);
  throw_if_failed();
  append(kEventNames[record.event], fields);
  if (unsigned_ == 1 || written_ == synced_ + 1) changed_.notify_all();  // the timers have something to wait for
  if (unsigned_ >= options_.checkpoint_records) append_checkpoint();
  if (options_.sync) wait_until_synced(lock);
}

void AuditLog::checkpoint() {
  std::unique_lock lock(mutex_);
  throw_if_failed();
  append_checkpoint();
  wait_until_synced(lock);
}

void AuditLog::close() {
  {
    std::unique_lock lock(mutex_);
    if (closed_) return;
    try {
      if (failure_.empty()) {
        append("stop", "");
        append_checkpoint();
        wait_until_synced(lock);
      }
    } catch (const Error&) {
      // Kept in failure_, and thrown below.
    }
    stopping_ = true;
    changed_.notify_all();
  }
  if (timers_.joinable()) timers_.join();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  file_.close();
  seed_ = seal::Secret();
  if (!failure_.empty()) throw Error(Code::audit_failed, failure_);
}

void AuditLog::serve_timers() {
  std::unique_lock lock(mutex_);
  while (timers_turn(lock)) {}
}

// One thing that is due, or a wait for the next; false when the log stops.
bool AuditLog::timers_turn(std::unique_lock<std::mutex>& lock) {
  try {
    if (!for_witness_.empty()) {
      const std::string line = std::move(for_witness_.front());
      for_witness_.pop_front();
      lock.unlock();
      std::string failure;
      try {
        options_.witness(line);
      } catch (const std::exception& error) { failure = std::string("the witness refused a checkpoint: ") + error.what(); }
      lock.lock();
      if (!failure.empty()) fail(failure);
      return true;
    }
    if (stopping_) return false;
    const bool works = failure_.empty();
    Clock::time_point due = Clock::time_point::max();
    if (works && unsigned_ > 0) due = std::min(due, first_unsigned_ + options_.checkpoint_after);
    if (works && !options_.sync && synced_ < written_) due = std::min(due, first_unsynced_ + options_.flush_after);
    if (due == Clock::time_point::max()) {
      changed_.wait(lock);
      return true;
    }
    if (Clock::now() < due) {
      changed_.wait_until(lock, due);
      return true;
    }
    if (unsigned_ > 0 && Clock::now() >= first_unsigned_ + options_.checkpoint_after) append_checkpoint();
    wait_until_synced(lock);
  } catch (const Error&) {
    // The failure is kept; the next record is refused with it.
  }
  return true;
}

}  // namespace tenon::trust
