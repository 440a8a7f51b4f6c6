// Attacks through the operating system. The identifier in a test's name (E24 ... E37) is a case of
// docs/sealed_format.md, section 14.
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <thread>

#include "formats/seal/open.h"
#include "formats/seal/weights.h"
#include "formats/seal_disk.h"

namespace tenon::seal {
namespace {

const std::string kPath = Disk::path("m.tenon");

TEST(SealSystem, reads_are_lazy_and_a_counter_proves_it) {
  Disk disk;
  Made made{.blobs = {10 * 4096, 100, 100, 3 * 4096 + 1}};
  made.system = &disk;
  made.seal(kPath);
  const KeyRing keys = raw_ring(0);
  const auto file = SealedFile::open(kPath, {.keys = &keys, .system = &disk});
  EXPECT_EQ(file->segments_opened(), 0u);
  Bytes two(2 * 4096);
  file->read(4096, two);
  EXPECT_EQ(file->segments_opened(), 2u);
  EXPECT_TRUE(equal(two, View(expected_blob(0, 3 * 4096)).subspan(4096)));
  EXPECT_EQ(read_blob(*file, 1), expected_blob(1, 100));
  EXPECT_EQ(read_blob(*file, 2), expected_blob(2, 100));
  EXPECT_EQ(file->segments_opened(), 3u) << "neighbours share one segment";
  // Many ranges in one call: each segment once.
  Bytes a(100), b(100), c(3 * 4096 + 1);
  const Piece pieces[] = {{file->blobs()[3].offset, c}, {file->blobs()[2].offset, b}, {file->blobs()[1].offset, a}};
  file->read(pieces);
  EXPECT_EQ(a, expected_blob(1, 100));
  EXPECT_EQ(b, expected_blob(2, 100));
  EXPECT_EQ(c, expected_blob(3, 3 * 4096 + 1));
  EXPECT_EQ(file->segments_opened(), 7u);
  EXPECT_EQ(outcome([&] { file->read(file->data_size() - 1, two); }), "bad_usage");
  EXPECT_EQ(outcome([&] { file->read(UINT64_MAX, two); }), "bad_usage");
  EXPECT_EQ(outcome([&] { file->read(file->data_size(), {}); }), "ok");
}

TEST(SealSystem, a_weight_source_decrypts_into_its_destination) {
  const Folder folder;
  Made{.blobs = {100, 5000}}.seal(folder / "m.tenon");
  const KeyRing keys = raw_ring(0);
  const std::shared_ptr<const SealedFile> file = SealedFile::open(folder / "m.tenon", {.keys = &keys});
  const auto source = make_sealed_source(file);
  EXPECT_EQ(source->bytes(), 128 + 5000);
  EXPECT_EQ(source->view(0, 100), nullptr);
  Bytes found(5000);
  source->read(128, 5000, found.data());
  EXPECT_EQ(found, expected_blob(1, 5000));
  EXPECT_EQ(outcome([&] { source->read(-1, 5000, found.data()); }), "bad_usage");
}

TEST(SealSystem, slots_of_every_kind_are_added_and_removed) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  const Made made{.blobs = {5000}, .signers = {1}};
  made.seal(path);
  const KeyRing first = raw_ring(0);
  const KeyCommand command{"test", {"/usr/bin/python3", "-c", "import sys; sys.stdout.buffer.write(bytes(x ^ 85 for x in sys.stdin.buffer.read()))"}};
  SlotChange add;
  add.add.push_back(NewSlot::raw(secret(40), "second"));
  add.add.push_back(NewSlot::to(x25519_public(secret(5)), "third"));
  add.add.push_back(NewSlot::passphrase(passphrase_from_bytes(ascii("horse")), "fourth", 14));
  add.add.push_back(NewSlot::external(command, "key/1", "fifth"));
  add.sign.push_back(secret(2));
  change(path, {.keys = &first}, add);
  const Header header = read_header(path, {});
  ASSERT_EQ(header.slots.size(), 5u);
  EXPECT_EQ(header.signatures.size(), 2u);
  KeyRing raw = raw_ring(40), identity, phrase, external;
  identity.add_identity(parse_identity(text(identity_string(secret(5)))));
  phrase.add_passphrase(passphrase_from_bytes(ascii("horse")));
  external.add_command(command);
  const std::vector<Block<32>> signers = {ed25519_public(secret(1)), ed25519_public(secret(2))};
  std::vector<std::string> principals;
  for (const KeyRing* keys : std::initializer_list<const KeyRing*>{&first, &raw, &identity, &phrase, &external}) {
    const auto file = SealedFile::open(path, {.keys = keys, .signers = signers});
    principals.push_back(file->principal());
    EXPECT_EQ(read_blob(*file, 0), expected_blob(0, 5000));
    EXPECT_EQ(file->signed_by().size(), 2u);
  }
  EXPECT_EQ(principals[2], "key:" + recipient_string(x25519_public(secret(5))));
  EXPECT_EQ(principals[3], "pass");
  EXPECT_EQ(principals[4], "cmd:test/key/1");
  for (const std::string& p : principals) EXPECT_TRUE(is_principal(p)) << p;
  EXPECT_EQ(outcome([&] { change(path, {.keys = &first}, {.remove = {Block<16>{}}}); }), "bad_usage");
  SlotChange everything;
  for (const Slot& slot : header.slots) everything.remove.push_back(slot.id);
  EXPECT_EQ(outcome([&] { change(path, {.keys = &first}, everything); }), "kSealFormat");
  everything.remove.pop_back();
  change(path, {.keys = &first}, everything);
  EXPECT_EQ(open_and_read(path, {.keys = &first}), "kSealNoKey");
  EXPECT_EQ(open_and_read(path, {.keys = &external, .signers = signers}), "ok");
  // A signer without the file key signs the core apart.
  const SignatureRecord record = sign_core(header.core(), secret(3));
  SignatureRecord bad = record;
  bad.signature[0] ^= 1;
  EXPECT_EQ(outcome([&] { change(path, {.keys = &external}, {.records = {bad}}); }), "kSealBadSignature");
  change(path, {.keys = &external}, {.records = {record}, .remove_signatures = {ed25519_public(secret(1))}});
  EXPECT_EQ(open_and_read(path, {.keys = &external, .signers = {ed25519_public(secret(3))}}), "ok");
  EXPECT_EQ(open_and_read(path, {.keys = &external, .signers = {ed25519_public(secret(1))}}), "kSealUnsigned");
}

TEST(SealSystem, a_refusal_by_admit_leaves_the_file_alone) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  Made{.blobs = {50}}.seal(path);
  const Bytes before = slurp(path);
  const KeyRing keys = raw_ring(0);
  const OpenOptions options{.keys = &keys, .admit = [](const SealedFile&) { throw Error(Code::policy_denied, "no"); }};
  EXPECT_EQ(outcome([&] { SealedFile::open(path, options); }), "kPolicyDenied");
  SlotChange add;
  add.add.push_back(NewSlot::raw(secret(40)));
  EXPECT_EQ(outcome([&] { change(path, options, add); }), "kPolicyDenied");
  EXPECT_EQ(slurp(path), before);
  EXPECT_EQ(outcome([&] { verify(path, options); }), "ok") << "no policy is evaluated";
}

// docs/sealed_format.md, case E24: a file that changes while it is read gives its old bytes or an
// error.
TEST(SealSystem, E24_a_file_changed_while_it_is_read) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  const Made made{.blobs = {20 * 4096}};
  const KeyRing keys = raw_ring(0);
  const Bytes expected = expected_blob(0, 20 * 4096);
  const auto read_after = [&](const std::function<void()>& meanwhile) {
    made.seal(path);
    const auto file = SealedFile::open(path, {.keys = &keys});
    Bytes first(4096), all(20 * 4096);
    file->read(0, first);
    meanwhile();
    const std::string result = outcome([&] { file->read(0, all); });
    if (result == "ok") {
      EXPECT_EQ(all, expected);
    } else {
      EXPECT_TRUE(all_zero(all));
      EXPECT_EQ(outcome([&] { file->read(0, first); }), result) << "poisoned";
    }
    return result;
  };
  EXPECT_EQ(read_after([] {}), "ok");
  EXPECT_EQ(read_after([&] { fs::remove(path); }), "ok");
  EXPECT_EQ(read_after([&] { made.seal(path); }), "ok") << "replaced by rename: the old file is still open";
  EXPECT_EQ(read_after([&] { fs::resize_file(path, 20000); }), "kSealTruncated");
  EXPECT_EQ(read_after([&] { fs::resize_file(path, 200000); }), "ok");
  EXPECT_EQ(read_after([&] { spill(path, Bytes(fs::file_size(path), 7)); }), "kSealAuth");
}

TEST(SealSystem, E25_what_is_not_a_regular_file) {
  const Folder folder;
  const std::string fifo = folder / "fifo", link = folder / "link", socket_path = folder / "socket";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(socket_path.begin(), socket_path.end(), address.sun_path);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::pair<std::string, std::string> cases[] = {{fifo, "kNotSealed"}, {"/dev/zero", "kNotSealed"},       {folder.path(), "kNotSealed"},
                                                       {socket_path, "kIo"}, {"/proc/self/maps", "kNotSealed"}, {folder / "absent", "kIo"}};
  const KeyRing keys = raw_ring(0);
  for (const auto& [path, expected] : cases) {
    EXPECT_EQ(outcome([&] { SealedFile::open(path, {.keys = &keys}); }), expected) << path;
    fs::remove(link);
    fs::create_symlink(path, link);
    EXPECT_EQ(outcome([&] { SealedFile::open(link, {.keys = &keys}); }), expected) << path;
    EXPECT_EQ(outcome([&] { change(link, {.keys = &keys}, {}); }), expected) << path;
    EXPECT_EQ(outcome([&] { verify(link, {}); }), expected) << path;
    EXPECT_FALSE(is_sealed(link));
  }
  close(fd);
}

TEST(SealSystem, E26_short_reads_interrupts_and_failed_reads) {
  Disk disk;
  Made made{.blobs = {2 * 4096 + 5}};
  made.system = &disk;
  made.seal(kPath);
  const KeyRing keys = raw_ring(0);
  const auto all_bytes = [&] {
    const auto file = SealedFile::open(kPath, {.keys = &keys, .threads = 1, .system = &disk});
    return read_blob(*file, 0);
  };
  const Bytes expected = expected_blob(0, 2 * 4096 + 5);
  disk.most_bytes = 1;
  EXPECT_EQ(all_bytes(), expected);
  disk.interrupt_every = 2;
  disk.most_bytes = 7;
  EXPECT_EQ(all_bytes(), expected);
  disk.interrupt_every = 0;
  disk.most_bytes = SIZE_MAX;
  disk.calls = 0;
  EXPECT_EQ(all_bytes(), expected);
  const int64_t calls = disk.calls;
  for (int64_t i = 0; i < calls; ++i) {
    disk.calls = 0;
    disk.fail_at = i;
    EXPECT_EQ(outcome([&] { all_bytes(); }), "kIo") << i;
    EXPECT_EQ(disk.open_files(), 0u);
  }
}

// For docs/sealed_format.md, case E30: a container with one external slot, and commands that
// misbehave when they unwrap.
TEST(SealSystem, E30_key_commands_that_misbehave) {
  const Folder folder;
  const std::string path = folder / "m.tenon", left = folder / "left", seen = folder / "seen";
  const std::string wrap = "if [ $0 = wrap ]; then cat; exit; fi; ";
  const auto command = [&](const std::string& unwrap) { return KeyCommand{"test", {"/bin/sh", "-c", wrap + unwrap}}; };
  const std::string hostile_id = "$(touch${IFS}" + left + ");`id`|x&\"'\\";
  const Made made{.blobs = {50}};
  SealOptions seal_options;
  seal_options.slots.push_back(NewSlot::external(command(""), hostile_id));
  seal(path, made.input(), seal_options);
  const auto result = [&](const std::string& unwrap, int milliseconds = 5000) {
    KeyRing keys;
    keys.add_command(command(unwrap));
    return open_and_read(path, {.keys = &keys, .command_timeout = std::chrono::milliseconds(milliseconds)});
  };
  EXPECT_EQ(result("cat"), "ok");
  EXPECT_EQ(result("printf %s \"$TENON_KEY_ID\" > " + seen + "; env > " + seen + ".env; cat"), "ok");
  EXPECT_EQ(text(slurp(seen)), hostile_id);
  EXPECT_FALSE(fs::exists(left));
  const Bytes environment_bytes = slurp(seen + ".env");
  std::string environment(text(environment_bytes));
  for (const char* allowed : {"PATH=/usr/bin:/bin\n", "TENON_KEY_ID=", "TENON_FILE_ID="}) EXPECT_NE(environment.find(allowed), std::string::npos);
  EXPECT_EQ(environment.find("HOME="), std::string::npos);
  EXPECT_EQ(result("exit 10"), "kSealNoKey");
  for (const char* bad : {"exit 1", "exit 11", "head -c 31", "cat; printf x", "kill -9 $$", "true", "cat; exit 10 & wait; exit 3"}) {
    EXPECT_EQ(result(bad), "kSealKeySource") << bad;
  }
  EXPECT_EQ(result("yes | head -c 1073741824"), "kSealKeySource");
  EXPECT_EQ(result("yes 1>&2 & cat"), "ok") << "stderr goes nowhere, and what is left is killed";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(result("sleep 60", 200), "kSealKeySource");
  EXPECT_EQ(result("sleep 61 & sleep 61 & wait", 200), "kSealKeySource");
  EXPECT_EQ(result("sleep 62 & cat; exit 0"), "ok") << "a grandchild that holds stdout open does not delay";
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  // Nothing is left running: no process of ours sleeps.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "cmdline", std::ios::binary);
    const std::string line((std::istreambuf_iterator<char>(in)), {});
    for (const char* sleeping : {"sleep\00060", "sleep\00061", "sleep\00062"})
      EXPECT_FALSE(line.starts_with(std::string_view(sleeping, 8))) << entry.path();
  }
  KeyRing absent, other;
  absent.add_command({"test", {"/nonexistent/program"}});
  other.add_command({"other", {"/bin/cat"}});
  EXPECT_EQ(open_and_read(path, {.keys = &absent}), "kSealKeySource");
  EXPECT_EQ(open_and_read(path, {.keys = &other}), "kSealNoKey") << "a provider that the host does not name is not run";
  EXPECT_EQ(outcome([&] { other.add_command({"Upper", {"/bin/cat"}}); }), "bad_usage");
}

TEST(SealSystem, E31_many_threads_read_and_one_segment_is_bad) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  constexpr size_t kSize = 64 * 4096;
  Made{.blobs = {kSize}}.seal(path);
  const KeyRing keys = raw_ring(0);
  const Bytes expected = expected_blob(0, kSize);
  for (const bool damaged : {false, true}) {
    if (damaged) {
      Bytes file = slurp(path);
      file[header_bytes(file) + Floe::kHeader + 40 * 4128 + 100] ^= 1;
      spill(path, file);
    }
    const std::shared_ptr<const SealedFile> opened = SealedFile::open(path, {.keys = &keys, .threads = 2});
    std::shared_ptr<void> held = SealedFile::hold(opened);
    std::atomic<int> wrong{0}, failed{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 64; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        for (int i = 0; i < 10; ++i) {
          const std::shared_ptr<void> held_too = t == 1 ? SealedFile::hold(opened) : nullptr;
          const size_t offset = random() % kSize, n = random() % std::min<size_t>(kSize - offset, 40000);
          Bytes out(n, 0xEE);
          try {
            opened->read(offset, out);
            wrong += !std::equal(out.begin(), out.end(), expected.begin() + static_cast<ptrdiff_t>(offset));
          } catch (const Error& error) {
            failed += error.code() == Code::seal_auth;
            for (size_t k = 0; k < n; ++k) wrong += out[k] != 0 && out[k] != 0xEE;  // wiped, or never touched
          }
        }
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(failed > 0, damaged);
    Bytes one(1);
    EXPECT_EQ(outcome([&] { opened->read(0, one); }), damaged ? "kSealAuth" : "ok");
  }
}

// The area for keys has room for what is in use, not for every thread of every file that was ever read.
TEST(SealSystem, many_open_files_are_read_by_many_threads) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  Made{.blobs = {16 * 4096}}.seal(path);
  const KeyRing keys = raw_ring(0);
  const Bytes expected = expected_blob(0, 16 * 4096);
  std::vector<std::shared_ptr<const SealedFile>> files;
  for (int i = 0; i < 300; ++i) {
    files.push_back(SealedFile::open(path, {.keys = &keys, .threads = 8}));
    const std::shared_ptr<void> held = SealedFile::hold(files.back());
    Bytes out(expected.size());
    ASSERT_EQ(outcome([&] { files.back()->read(0, out); }), "ok") << i;
    ASSERT_TRUE(out == expected);
  }
}

// docs/sealed_format.md, case E37: the segment changes on disk between the check of its digest and
// its decryption.
TEST(SealSystem, E37_the_private_copy_decides) {
  Disk disk;
  Made made{.blobs = {3 * 4096}, .signers = {1}};
  made.system = &disk;
  made.seal(kPath);
  const KeyRing keys = raw_ring(0);
  const auto file = SealedFile::open(kPath, {.keys = &keys, .signers = {ed25519_public(secret(1))}, .threads = 1, .system = &disk});
  disk.after_read = [](Disk& d, const std::string& name) { std::ranges::fill(d.get(name), uint8_t{0}); };
  Bytes first(4096);
  file->read(0, first);
  EXPECT_EQ(first, expected_blob(0, 4096));
  EXPECT_EQ(outcome([&] { file->read(4096, first); }), "kSealDamaged");
}

}  // namespace
}  // namespace tenon::seal
