// Attacks through the operating system: cases E24 to E37 of the format page, by their numbers.
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

// E24: a file that changes while it is read gives its old bytes or an error.
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

// What a save or a change does, on a disk that may fail.
struct Saving {
  const char* name;
  std::function<void(Disk&)> run;
};

std::vector<Saving> savings() {
  return {{"a save over an old file",
           [](Disk& disk) {
             Made made{.blobs = {9000}, .model = "new"};
             made.system = &disk;
             made.seal(kPath);
           }},
          {"a change of slots", [](Disk& disk) {
             const KeyRing keys = raw_ring(0);
             SlotChange add;
             add.add.push_back(NewSlot::raw(secret(40)));
             change(kPath, {.keys = &keys, .system = &disk}, add);
           }}};
}

const Bytes& old_bytes() {
  static const Bytes bytes = made_bytes({.blobs = {9000}, .model = "old"});
  return bytes;
}

Disk old_disk() {
  Disk out;
  out.put("m.tenon", old_bytes());
  return out;
}

// "old", "new", or what is wrong.
std::string state_of(const Disk& disk) {
  Disk copy(disk);
  if (!copy.has("m.tenon")) return "absent";
  if (copy.get("m.tenon") == old_bytes()) return "old";
  const std::string found = open_and_read(kPath, {.system = &copy});
  return found == "ok" ? "new" : found;
}

TEST(SealSystem, E27_every_call_of_a_save_fails) {
  for (const Saving& saving : savings()) {
    Disk clean = old_disk();
    saving.run(clean);
    ASSERT_EQ(state_of(clean), "new");
    const int64_t calls = clean.calls;
    ASSERT_GT(calls, 10);
    for (const int error : {EIO, ENOSPC, EINTR}) {
      for (int64_t i = 0; i < calls; ++i) {
        SCOPED_TRACE(std::string(saving.name) + ", call " + std::to_string(i));
        Disk disk = old_disk();
        disk.fail_at = i;
        disk.fail_with = error;
        const std::string result = outcome([&] { saving.run(disk); });
        const std::string state = state_of(disk);
        EXPECT_TRUE(state == "old" || state == "new") << state;
        EXPECT_TRUE(result == "ok" ? state == "new" : result == "kIo") << result << state;
        EXPECT_EQ(disk.list().size(), 1u) << "the temporary file is removed";
        EXPECT_EQ(disk.open_files(), 0u);
      }
    }
    Disk short_writes = old_disk();
    short_writes.most_bytes = 13;
    saving.run(short_writes);
    EXPECT_EQ(state_of(short_writes), "new");
  }
}

TEST(SealSystem, E27_a_kill_at_every_call_and_lost_unsynced_writes) {
  std::mt19937 random(1);
  for (const Saving& saving : savings()) {
    Disk clean = old_disk();
    saving.run(clean);
    int lost_but_old = 0;
    for (int64_t i = 0; i <= clean.calls; ++i) {
      SCOPED_TRACE(std::string(saving.name) + ", call " + std::to_string(i));
      Disk disk = old_disk();
      disk.stop_at = i;
      const std::string result = outcome([&] { saving.run(disk); });
      const std::string state = state_of(disk);
      EXPECT_TRUE(state == "old" || state == "new") << state;
      for (int loss = 0; loss < 20; ++loss) {
        const std::string found = state_of(disk.after_power_loss(random));
        EXPECT_TRUE(found == "old" || found == "new") << found;
        EXPECT_TRUE(result != "ok" || found == "new") << "what was reported as saved is saved";
        lost_but_old += found == "old" && state == "new";
      }
    }
    EXPECT_GT(lost_but_old, 0) << "the disk did lose something";
  }
}

TEST(SealSystem, E28_two_changes_at_once_both_take_effect) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  for (int round = 0; round < 5; ++round) {
    Made{.blobs = {50000}}.seal(path);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&, t] {
        const KeyRing keys = raw_ring(0);
        SlotChange add;
        add.add.push_back(NewSlot::raw(secret(static_cast<uint8_t>(100 + t))));
        change(path, {.keys = &keys}, add);
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(read_header(path, {}).slots.size(), 7u);
    for (int t = 0; t < 6; ++t) {
      const KeyRing keys = raw_ring(static_cast<uint8_t>(100 + t));
      EXPECT_EQ(open_and_read(path, {.keys = &keys}), "ok");
    }
  }
}

TEST(SealSystem, E28_a_damaged_body_is_not_copied) {
  for (const size_t from_end : {size_t{1}, size_t{5000}}) {
    Disk disk = old_disk();
    Bytes& file = disk.get("m.tenon");
    file[file.size() - from_end] ^= 1;
    const Bytes before = file;
    EXPECT_EQ(outcome([&] { savings()[1].run(disk); }), "kSealDamaged");
    EXPECT_EQ(disk.get("m.tenon"), before);
    EXPECT_EQ(disk.list().size(), 1u);
  }
}

TEST(SealSystem, a_save_keeps_the_mode_and_replaces_a_link) {
  const Folder folder;
  const std::string path = folder / "m.tenon", elsewhere = folder / "elsewhere";
  const Made made{.blobs = {50}};
  const auto mode = [](const std::string& p) { return static_cast<unsigned>(fs::status(p).permissions()); };
  made.seal(path);
  EXPECT_EQ(mode(path), 0600u);
  fs::permissions(path, fs::perms(0644));
  made.seal(path);
  EXPECT_EQ(mode(path), 0644u);
  spill(elsewhere, ascii("untouched"));
  fs::remove(path);
  fs::create_symlink(elsewhere, path);
  made.seal(path);
  EXPECT_FALSE(fs::is_symlink(path));
  EXPECT_EQ(mode(path), 0600u);
  EXPECT_EQ(text(slurp(elsewhere)), "untouched");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 2);
}

// E30: a container with one external slot, and commands that misbehave when they unwrap.
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
    const auto opened = SealedFile::open(path, {.keys = &keys, .threads = 2});
    std::atomic<int> wrong{0}, failed{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 64; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        for (int i = 0; i < 10; ++i) {
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

// E37: the segment changes on disk between the check of its digest and its decryption.
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

// E29: after use, neither keys nor plaintext are found in this process.
std::vector<std::string> found_in_memory(const std::vector<std::pair<std::string, Bytes>>& masked) {
  std::vector<std::string> out;
  std::ifstream maps("/proc/self/maps"), memory("/proc/self/mem", std::ios::binary);
  std::string line;
  while (std::getline(maps, line)) {
    size_t start = 0, end = 0;
    char read = 0, write = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx %c%c", &start, &end, &read, &write) != 4 || read != 'r' || write != 'w' || end - start > (size_t{1} << 28))
      continue;
    Bytes region(end - start);
    memory.clear();
    memory.seekg(static_cast<std::streamoff>(start));
    if (!memory.read(reinterpret_cast<char*>(region.data()), static_cast<std::streamsize>(region.size()))) continue;
    // Needles are kept inverted, so that the search does not find them; so is what is searched.
    for (uint8_t& byte : region) byte = static_cast<uint8_t>(~byte);
    for (const auto& [name, mask] : masked) {
      if (memmem(region.data(), region.size(), mask.data(), mask.size())) out.push_back(name + " in " + line);
    }
    wipe(region.data(), region.size());
  }
  return out;
}

Bytes inverted(View bytes) {
  Bytes out(bytes.begin(), bytes.end());
  for (uint8_t& b : out) b = static_cast<uint8_t>(~b);
  return out;
}

TEST(SealSystem, E29_no_key_and_no_plaintext_is_left_in_memory_or_files) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  std::vector<std::pair<std::string, Bytes>> needles;
  {
    Secret key(32);
    random_bytes(real_system(), key.span());
    WipedBytes model(100);
    random_bytes(real_system(), model);
    const auto content = [](uint64_t i) { return static_cast<uint8_t>(pattern(i * 31 + 5) ^ 0x5a); };
    SealInput input = Made{.blobs = {3 * 4096}}.input();
    input.model = model;
    input.read = [&](size_t, uint64_t offset, std::span<uint8_t> dst) {
      for (size_t i = 0; i < dst.size(); ++i) dst[i] = content(offset + i);
    };
    SealOptions options;
    options.segment_log2 = 12;
    options.slots.push_back(NewSlot::raw(key.copy()));
    seal(path, input, options);
    KeyRing keys;
    keys.add_raw(key.copy());
    const Unlocked unlocked = unlock(read_header(path, {}), keys, std::chrono::seconds(1));
    Bytes plain(48);
    for (size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<uint8_t>(~content(i));
    needles = {{"raw key", inverted(key)},
               {"file key", inverted(unlocked.file_key)},
               {"header key", inverted(unlocked.keys.header)},
               {"data key", inverted(unlocked.keys.data)},
               {"manifest key", inverted(unlocked.keys.manifest)},
               {"plaintext", plain},
               {"model", inverted(model)}};
    const auto file = SealedFile::open(path, {.keys = &keys});
    WipedBytes all(100);
    file->read(0, all);
    EXPECT_GE(found_in_memory(needles).size(), needles.size()) << "while the file is open the search finds them";
  }
  for (const std::string& found : found_in_memory(needles)) ADD_FAILURE() << found;
  const Bytes content = slurp(path);
  for (const auto& [name, mask] : needles) {
    const auto hit =
        std::search(content.begin(), content.end(), mask.begin(), mask.end(), [](uint8_t a, uint8_t b) { return a == static_cast<uint8_t>(~b); });
    EXPECT_EQ(hit, content.end()) << name;
  }
}

TEST(SealSystem, key_files) {
  const Folder folder;
  const std::string path = folder / "key";
  spill(path, secret(9));
  EXPECT_TRUE(equal(raw_key_from_file(path), secret(9)));
  spill(path, ascii(hex(secret(9)) + "\n"));
  EXPECT_TRUE(equal(raw_key_from_file(path), secret(9)));
  fs::permissions(path, fs::perms(0640));
  EXPECT_EQ(outcome([&] { raw_key_from_file(path); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { raw_key_from_file(path, {.shared_file = true}); }), "ok");
  fs::permissions(path, fs::perms(0600));
  spill(path, Bytes(66));
  EXPECT_EQ(outcome([&] { raw_key_from_file(path); }), "kSealKeySource");
  spill(path, Bytes((64 << 10) + 1, '\n'));
  EXPECT_EQ(outcome([&] { identities_from_file(path); }), "kSealLimit");
  EXPECT_EQ(outcome([&] { raw_key_from_file(folder.path()); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { raw_key_from_file(folder / "absent"); }), "kSealKeySource");
  spill(path, ascii("pass phrase\n\n"));
  EXPECT_EQ(text(passphrase_from_file(path)), "pass phrase\n");
  setenv("TENON_TEST_KEY", hex(secret(9)).c_str(), 1);
  EXPECT_TRUE(equal(raw_key_from_environment("TENON_TEST_KEY"), secret(9)));
  EXPECT_EQ(getenv("TENON_TEST_KEY"), nullptr);
  EXPECT_EQ(outcome([&] { raw_key_from_environment("TENON_TEST_KEY"); }), "kSealKeySource");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], secret(9).data(), 32), 32);
  close(ends[1]);
  EXPECT_TRUE(equal(raw_key_from_file("/dev/fd/" + std::to_string(ends[0])), secret(9)));
  close(ends[0]);
}

TEST(SealSystem, signing_keys_are_pem_or_hex) {
  const Folder folder;
  const std::string key = folder / "key.pem", other = folder / "other.pem";
  ASSERT_EQ(std::system(("openssl genpkey -algorithm ed25519 -out " + key + " 2>/dev/null && openssl pkey -in " + key + " -pubout -out " +
                         (folder / "pub.pem"))
                            .c_str()),
            0);
  fs::permissions(key, fs::perms(0600));
  const Secret seed = signing_key_from_file(key);
  const Block<32> public_key = ed25519_public(seed);
  EXPECT_EQ(signer_from_file_or_hex(folder / "pub.pem"), public_key);
  EXPECT_EQ(signer_from_file_or_hex(hex(public_key)), public_key);
  spill(other, ascii(hex(seed) + "\n"));
  EXPECT_TRUE(equal(signing_key_from_file(other), seed));
  ASSERT_EQ(std::system(("openssl genpkey -algorithm x25519 -out " + other + " 2>/dev/null").c_str()), 0);
  EXPECT_EQ(outcome([&] { signing_key_from_file(other); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { signer_from_text("nonsense"); }), "kSealKeySource");
}

// E32: the comparison takes as long for 0 equal leading bytes as for 31; a comparison that stops early does not.
template <class Compare>
double ratio_of_times(Compare&& compare) {
  using Clock = std::chrono::steady_clock;
  constexpr int kRounds = 401, kCalls = 4000;
  Bytes a(4096, 1), early = a, late = a;
  early[0] = 2, late[4095] = 2;
  std::vector<double> times[2];
  volatile int sink = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (int which = 0; which < 2; ++which) {
      const Bytes& b = (which ^ (round & 1)) ? late : early;
      const auto start = Clock::now();
      for (int i = 0; i < kCalls / 40; ++i) sink = sink + compare(a, b);
      times[which ^ (round & 1)].push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
  }
  for (auto& t : times) std::nth_element(t.begin(), t.begin() + kRounds / 2, t.end());
  return times[1][kRounds / 2] / times[0][kRounds / 2];
}

TEST(SealSystem, E32_comparing_takes_the_same_time_wherever_the_difference_is) {
  const auto stops_early = [](View a, View b) {
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  };
  EXPECT_GT(ratio_of_times(stops_early), 2.0) << "the measurement can tell";
  const double ratio = ratio_of_times([](View a, View b) { return equal_constant_time(a, b); });
  EXPECT_GT(ratio, 0.8);
  EXPECT_LT(ratio, 1.25);
}

}  // namespace
}  // namespace tenon::seal
