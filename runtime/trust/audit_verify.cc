#include <fcntl.h>

#include "runtime/trust/audit.h"
#include "runtime/trust/audit_line.h"

namespace tenon::trust {

using seal::ascii;

void AuditVerifier::add_witness(std::string_view lines) {
  for (size_t number = 1; !lines.empty(); ++number) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    LineFront front;
    if (parse_line(line, front)) witness_.emplace(front.n, line);
    else note(unreadable_, "witness line " + std::to_string(number) + " is not a line of an audit log");
  }
}

void AuditVerifier::start_file() {
  if (!partial_.empty() || too_long_) note(altered_, "a file ends within a line and another file follows");
  partial_.clear();
  too_long_ = false;
}

void AuditVerifier::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    partial_.append(bytes.substr(0, std::min(end, kMostLine + 1)));
    if (partial_.size() > kMostLine) too_long_ = true, partial_.resize(kMostLine);
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    line(too_long_ ? std::string_view() : std::string_view(partial_));
    partial_.clear();
    too_long_ = false;
  }
}

void AuditVerifier::line(std::string_view text) {
  const std::string place = "line " + std::to_string(++lines_) + ": ";
  ++unsigned_;
  LineFront front;
  if (!parse_line(text, front)) {
    note(altered_, place + "is not a line of an audit log");
    ++next_;
    previous_ = line_hash(text);
    return;
  }
  if (front.n != next_) note(altered_, place + "has number " + std::to_string(front.n) + ", not " + std::to_string(next_));
  if (front.previous != previous_) note(altered_, place + "does not follow from the line before it");
  if (lines_ == 1) {
    const std::string expected = "\"pub\":\"" + seal::hex(public_key_) + "\"";
    if (front.event != "start" || text.find(expected) == std::string_view::npos) note(altered_, place + "does not start a log of the given key");
  }
  if (front.event == "checkpoint") check_checkpoint(text, place);
  check_witness(front.n, text, place);
  next_ = front.n + 1;
  previous_ = line_hash(text);
}

void AuditVerifier::check_checkpoint(std::string_view text, const std::string& place) {
  seal::Block<64> signature;
  seal::from_hex(text.substr(text.size() - 130, 128), signature, false);
  seal::Bytes message(ascii(kCheckpointLabel).begin(), ascii(kCheckpointLabel).end());
  message.insert(message.end(), text.begin(), text.end() - static_cast<ptrdiff_t>(kSignatureTail));
  if (seal::ed25519_verify(public_key_, message, signature)) unsigned_ = 0;
  else note(altered_, place + "the signature of the checkpoint does not verify");
}

void AuditVerifier::check_witness(uint64_t n, std::string_view text, const std::string& place) {
  const auto [first, last] = witness_.equal_range(n);
  for (auto seen = first; seen != last; ++seen) {
    if (seen->second != text) note(altered_, place + "is not what the witness saw");
  }
  witness_.erase(first, last);
}

AuditVerdict AuditVerifier::finish() {
  if (!partial_.empty() || too_long_) note(cut_, "the last line is torn");
  if (lines_ == 0) note(cut_, "the log is empty");
  if (!witness_.empty()) note(cut_, "line " + std::to_string(witness_.begin()->first) + " that the witness saw is missing");
  if (unsigned_ > 0) note(cut_, "the log does not end with a checkpoint");
  AuditVerdict out{0, "intact: " + std::to_string(lines_) + " records", lines_, unsigned_};
  if (!unreadable_.empty()) out.exit = 3, out.text = "not readable: " + unreadable_;
  else if (!altered_.empty()) out.exit = 1, out.text = "altered: " + altered_;
  else if (!cut_.empty()) out.exit = 2, out.text = "cut short: " + cut_ + "; " + std::to_string(unsigned_) + " records are unsigned";
  return out;
}

namespace {

template <class Take>
void read_file(const std::string& path, Take&& take) {
  seal::System& system = seal::real_system();
  const seal::File file(system, seal::retry([&] { return system.open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY, 0); }));
  if (!file) seal::fail_io("opening " + printable(path));
  std::string piece(size_t{64} << 10, '\0');
  for (;;) {
    const ssize_t n = seal::retry([&] { return system.read(file.fd(), piece.data(), piece.size()); });
    if (n < 0) seal::fail_io("reading " + printable(path));
    if (n == 0) return;
    take(std::string_view(piece).substr(0, static_cast<size_t>(n)));
  }
}

}  // namespace

AuditVerdict verify_audit(const std::vector<std::string>& files, const seal::Block<32>& public_key, const std::optional<std::string>& witness) {
  constexpr size_t kMostWitness = size_t{256} << 20;
  AuditVerifier verifier(public_key);
  try {
    std::string lines;
    if (witness) {
      read_file(*witness, [&](std::string_view bytes) {
        if (lines.size() + bytes.size() > kMostWitness) throw Error(Code::limit, "the witness file is larger than 256 MiB");
        lines += bytes;
      });
    }
    verifier.add_witness(lines);
    for (const std::string& file : files) {
      verifier.start_file();
      read_file(file, [&](std::string_view bytes) { verifier.add(bytes); });
    }
  } catch (const Error& error) { verifier.not_readable(error.what()); }
  return verifier.finish();
}

}  // namespace tenon::trust
