// The audit log: the published logs, and docs/sealed_format.md, case E40.
#include "runtime/trust/audit.h"

#include <sys/wait.h>

#include <thread>

#include "formats/seal_disk.h"
#include "runtime/trust/audit_line.h"

namespace tenon::trust {
namespace {

using namespace seal;
using nlohmann::json;

constexpr uint8_t kSeed = 77;
Block<32> public_key() { return ed25519_public(secret(kSeed)); }

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

int verdict(const std::vector<std::string>& lines, const Block<32>& key = public_key(), const std::string& witness = "",
            const std::string& tail = "") {
  AuditVerifier verifier(key);
  verifier.add_witness(witness);
  verifier.start_file();
  for (const std::string& line : lines) verifier.add(line + "\n");
  verifier.add(tail);
  return verifier.finish().exit;
}

TEST(Audit, published_logs) {
  const fs::path file = shared() / "vectors/tenon/audit.json";
  NEED_SHARED(file);
  const json content = parse_file(file);
  const Block<32> key = signer_from_text(content.at("public_key").get<std::string>());
  EXPECT_EQ(content.at("logs").size(), 15u);
  for (const json& log : content.at("logs")) {
    std::string witness;
    for (const json& line : log.value("witness", json::array())) witness += line.get<std::string>() + "\n";
    EXPECT_EQ(verdict(log.at("lines").get<std::vector<std::string>>(), key, witness), log.at("exit").get<int>()) << log.at("name");
  }
}

AuditRecord some_run(int i) {
  return {.event = AuditRecord::run,
          .file = std::string(64, 'a'),
          .model = "acme/ocr",
          .who = "user:alice",
          .request = "r" + std::to_string(i),
          .bytes_in = 3072,
          .bytes_out = 40,
          .milliseconds = 2};
}

// A log with records of every kind and two checkpoints.
std::string write_log(const Folder& folder, const std::string& name = "log", std::vector<std::string>* witnessed = nullptr) {
  const std::string path = folder / name;
  AuditOptions options;
  if (witnessed) options.witness = [witnessed](std::string_view line) { witnessed->emplace_back(line); };
  AuditLog log(path, secret(kSeed), options);
  for (const auto event : {AuditRecord::load, AuditRecord::unload, AuditRecord::share, AuditRecord::export_, AuditRecord::deny}) {
    log.write({.event = event,
               .file = std::string(64, 'b'),
               .model = "acme/ocr",
               .release = 7,
               .slot = std::string(32, 'c'),
               .who = "user:bob",
               .operation = "run"});
  }
  log.write(some_run(0));
  log.checkpoint();
  log.write(some_run(1));
  log.close();
  return path;
}

TEST(Audit, writes_what_it_verifies) {
  const Folder folder;
  std::vector<std::string> witnessed;
  const std::string path = write_log(folder, "log", &witnessed);
  const std::vector<std::string> lines = lines_of(path);
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_EQ(verdict(lines), 0);
  ASSERT_EQ(witnessed.size(), 2u);
  EXPECT_EQ(witnessed[1], lines.back());
  EXPECT_NE(lines[9].find("\"ev\":\"stop\""), std::string::npos);
  std::string witness;
  for (const std::string& line : witnessed) witness += line + "\n";
  EXPECT_EQ(verdict(lines, public_key(), witness), 0);
  EXPECT_EQ(verify_audit({path}, public_key()).exit, 0);
  EXPECT_EQ(verify_audit({folder / "absent"}, public_key()).exit, 3);
  EXPECT_EQ(verify_audit({path}, ed25519_public(secret(1))).exit, 1) << "another key";
  EXPECT_EQ(verdict({}), 2);
  EXPECT_EQ(verdict(lines, public_key(), "nonsense\n"), 3);
  EXPECT_EQ(verdict({lines.begin(), lines.begin() + 8}, public_key(), witness), 2) << "cut at a checkpoint, noticed by the witness";
  EXPECT_EQ(verdict({lines.begin(), lines.begin() + 8}, public_key()), 0);
  // The record of a run has the fields of docs/sealed_format.md, section 10, in that order.
  EXPECT_NE(lines[6].find(R"("ev":"run","file":")" + std::string(64, 'a') +
                          R"(","model":"acme/ocr","who":"user:alice","req":"r0","in":3072,"out":40,"ms":2,"ok":true,"err":""})"),
            std::string::npos);
  EXPECT_NE(lines[1].find(R"("ev":"load","file":")" + std::string(64, 'b') + R"(","model":"acme/ocr","release":7,"slot":")" + std::string(32, 'c') +
                          R"(","who":"user:bob","op":"run","ok":true,"err":""})"),
            std::string::npos);
}

TEST(Audit, E40_no_change_of_a_line_goes_unnoticed) {
  const Folder folder;
  const std::vector<std::string> lines = lines_of(write_log(folder));
  for (size_t i = 0; i < lines.size(); ++i) {
    for (size_t at = i % 3; at < lines[i].size(); at += 3) {
      std::vector<std::string> altered = lines;
      altered[i][at] ^= 1;
      EXPECT_EQ(verdict(altered), 1) << i << " " << at;
    }
    std::vector<std::string> deleted = lines, doubled = lines;
    deleted.erase(deleted.begin() + static_cast<ptrdiff_t>(i));
    doubled.insert(doubled.begin() + static_cast<ptrdiff_t>(i), lines[i]);
    EXPECT_EQ(verdict(deleted), i + 1 == lines.size() ? 2 : 1) << i;
    EXPECT_EQ(verdict(doubled), 1) << i;
    for (size_t j = 0; j < i; ++j) {
      std::vector<std::string> swapped = lines;
      std::swap(swapped[i], swapped[j]);
      EXPECT_EQ(verdict(swapped), 1);
    }
  }
}

TEST(Audit, E40_a_log_cut_at_every_byte) {
  const Folder folder;
  const Bytes bytes = slurp(write_log(folder));
  const std::string_view all = text(bytes);
  AuditVerifier verifier(public_key());
  verifier.start_file();
  std::string_view last_line;
  for (size_t n = 0; n < all.size(); ++n) {
    AuditVerifier cut = verifier;
    const std::string_view kept = all.substr(0, n);
    if (kept.ends_with('\n')) last_line = kept.substr(kept.rfind('\n', n - 2) + 1);
    const bool at_checkpoint = kept.ends_with('\n') && last_line.find("\"ev\":\"checkpoint\"") != std::string_view::npos;
    const AuditVerdict found = cut.finish();
    EXPECT_EQ(found.exit, at_checkpoint ? 0 : 2) << n << found.text;
    verifier.add(all.substr(n, 1));
  }
  EXPECT_EQ(verifier.finish().exit, 0);
}

TEST(Audit, E40_a_torn_tail_is_recovered_at_every_byte) {
  const Folder folder;
  const Bytes whole = slurp(write_log(folder));
  const size_t last_line = text(whole).rfind('\n', whole.size() - 2) + 1;
  for (size_t cut : {size_t{1}, size_t{50}, last_line - 1, last_line, last_line + 1, last_line + 60, whole.size() - 1}) {
    const std::string path = folder / "torn";
    spill(path, View(whole).first(cut));
    { AuditLog log(path, secret(kSeed)); }
    const AuditVerdict found = verify_audit({path}, public_key());
    EXPECT_EQ(found.exit, 0) << cut << found.text;
    const Bytes now = slurp(path);
    EXPECT_EQ(text(now).find("\"ev\":\"recover\"") != std::string_view::npos, cut != last_line) << cut;
  }
}

TEST(Audit, E40_one_writer_one_key_one_chain_over_files) {
  const Folder folder;
  const std::string first = write_log(folder, "first"), second = folder / "second";
  {
    AuditLog log(first, secret(kSeed));
    EXPECT_EQ(outcome([&] { AuditLog other(first, secret(kSeed)); }), "kAuditFailed") << "two writers";
  }
  EXPECT_EQ(outcome([&] { AuditLog other(first, secret(1)); }), "kAuditFailed") << "another key";
  { AuditLog log(second, secret(kSeed), {.continue_from = first}); }
  EXPECT_EQ(verify_audit({first, second}, public_key()).exit, 0);
  EXPECT_EQ(verify_audit({second}, public_key()).exit, 1);
  EXPECT_EQ(verify_audit({second, first}, public_key()).exit, 1);
  spill(folder / "nonsense", ascii("nonsense\n"));
  EXPECT_EQ(outcome([&] { AuditLog other(folder / "nonsense", secret(kSeed)); }), "kAuditFailed");
  EXPECT_EQ(outcome([&] { AuditLog other(folder.path(), secret(kSeed)); }), "kAuditFailed");
}

TEST(Audit, E40_names_are_escaped_and_lines_bounded) {
  const Folder folder;
  const std::string path = folder / "log";
  std::string astral, quotes(128, '"');
  for (int i = 0; i < 300; ++i) astral += "\xF0\x9F\x98\x80";
  {
    AuditLog log(path, secret(kSeed));
    AuditRecord r = some_run(0);
    r.model = quotes;
    r.who = "cmd:provider/" + std::string(256, '"');
    r.request = astral;
    r.bytes_in = UINT64_MAX;
    log.write(r);
    r.who = "user:\"mal\x1b[31m\nlory\\\x7f\xff\xc3\xa9";
    r.request = "\b\f\t\r\xed\xa0\x80";
    log.write(r);
  }
  const std::vector<std::string> lines = lines_of(path);
  EXPECT_EQ(verdict(lines), 0);
  for (const std::string& line : lines) EXPECT_LT(line.size(), 4096u);
  EXPECT_EQ(json::parse(lines[1]).at("who").get<std::string>().size(), 13u + 256) << "who is never cut";
  EXPECT_NE(lines[2].find(R"(user:\"mal\u001b[31m\nlory\\\u007f\ufffd\u00e9)"), std::string::npos) << lines[2];
}

TEST(Audit, a_failed_write_refuses_everything_until_the_log_is_opened_again) {
  Disk clean;
  const auto run = [](Disk& disk, bool sync) {
    AuditLog log(Disk::path("log"), secret(kSeed), {.sync = sync, .system = &disk});
    for (int i = 0; i < 3; ++i) log.write(some_run(i));
    log.close();
  };
  run(clean, true);
  const int64_t calls = clean.calls;
  for (int64_t i = 0; i < calls; ++i) {
    Disk disk;
    disk.fail_at = i;
    EXPECT_EQ(outcome([&] { run(disk, true); }), "kAuditFailed") << i;
    EXPECT_EQ(outcome([&] { run(disk, true); }), "ok") << "opened again, call " << i;
    AuditVerifier verifier(public_key());
    verifier.start_file();
    verifier.add(text(disk.get("log")));
    EXPECT_EQ(verifier.finish().exit, 0) << i;
  }
  Disk disk;
  AuditLog log(Disk::path("log"), secret(kSeed), {.system = &disk});
  log.write(some_run(0));
  disk.fail_at = disk.calls;
  disk.fail_with = ENOSPC;
  EXPECT_EQ(outcome([&] { log.write(some_run(1)); }), "kAuditFailed");
  EXPECT_EQ(outcome([&] { log.write(some_run(2)); }), "kAuditFailed");
}

// A kill at every call, and what was not synced may be lost: synced records are all there.
TEST(Audit, E40_a_kill_at_every_call_loses_no_synced_record) {
  std::mt19937 random(3);
  Disk clean;
  int written = 0;
  const auto run = [&](Disk& disk) {
    written = 0;
    AuditLog log(Disk::path("log"), secret(kSeed), {.system = &disk});
    for (int i = 0; i < 4; ++i) log.write(some_run(i)), ++written;
    log.close();
  };
  run(clean);
  for (int64_t i = 0; i <= clean.calls; ++i) {
    Disk disk;
    disk.put("log", {});
    disk.stop_at = i;
    outcome([&] { run(disk); });
    const int promised = written;
    Disk after = disk.after_power_loss(random);
    const std::string_view found = text(after.get("log"));
    int runs = 0;
    for (size_t at = 0; (at = found.find("\"ev\":\"run\"", at)) != std::string_view::npos; ++at) ++runs;
    EXPECT_GE(runs, promised) << i;
  }
}

TEST(Audit, many_threads_write_and_checkpoints_come_by_count_and_by_time) {
  const Folder folder;
  for (const bool sync : {true, false}) {
    const std::string path = folder / (sync ? "sync" : "async");
    {
      AuditLog log(path, secret(kSeed), {.sync = sync, .checkpoint_records = 50});
      std::vector<std::thread> threads;
      for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
          for (int i = 0; i < 40; ++i) log.write(some_run(i));
        });
      }
      for (std::thread& t : threads) t.join();
    }
    const std::vector<std::string> lines = lines_of(path);
    EXPECT_EQ(verdict(lines), 0);
    EXPECT_GE(std::count_if(lines.begin(), lines.end(), [](const std::string& l) { return l.find("\"ev\":\"checkpoint\"") != std::string::npos; }),
              6);
  }
  const std::string path = folder / "timed";
  AuditLog log(path, secret(kSeed), {.sync = false, .checkpoint_after = std::chrono::milliseconds(50), .flush_after = std::chrono::milliseconds(10)});
  log.write(some_run(0));
  for (int i = 0; i < 100 && verify_audit({path}, public_key()).exit != 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(verify_audit({path}, public_key()).exit, 0) << "signed without being asked";
}

TEST(Audit, a_witness_that_refuses_is_a_failure) {
  const Folder folder;
  AuditLog log(folder / "log", secret(kSeed), {.witness = [](std::string_view) { throw Error(Code::io, "the wire is cut"); }});
  log.checkpoint();
  std::string found = "ok";
  for (int i = 0; i < 200 && found == "ok"; ++i) {
    found = outcome([&] { log.write(some_run(i)); });
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(found, "kAuditFailed");
}

}  // namespace
}  // namespace tenon::trust
