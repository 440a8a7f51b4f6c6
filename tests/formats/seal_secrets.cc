// Keys: where they come from, and that nothing of them is left behind. E29 and E32 are cases of
// docs/sealed_format.md, section 14.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <cmath>
#include <numeric>

#include "formats/seal/floe.h"
#include "formats/seal_disk.h"
#include "formats/seal_search.h"

namespace tenon::seal {
namespace {

// For docs/sealed_format.md, case E29: a file sealed with a random key, which lies in `key_file`,
// and what must not be found of it.
Needles sealed_needles(const std::string& path, const std::string& key_file) {
  Secret key(32);
  random_private_bytes(real_system(), key.span());
  {
    const File file(real_system(), ::open(key_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    write_all(file, key, 0, "key");
  }
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
  return {{"raw key", inverted(key)},
          {"file key", inverted(unlocked.file_key)},
          {"header key", inverted(unlocked.keys.header)},
          {"data key", inverted(unlocked.keys.data)},
          {"manifest key", inverted(unlocked.keys.manifest)},
          {"plaintext", plain},
          {"model", inverted(model)}};
}

TEST(SealSystem, E29_no_key_and_no_plaintext_is_left_in_memory_or_files) {
  const Folder folder;
  const std::string path = folder / "m.tenon", key_file = folder / "key";
  const Needles needles = sealed_needles(path, key_file);
  {
    KeyRing keys;
    keys.add_raw(raw_key_from_file(key_file));
    const Unlocked unlocked = unlock(read_header(path, {}), keys, std::chrono::seconds(1));
    const auto file = SealedFile::open(path, {.keys = &keys});
    WipedBytes all(100);
    file->read(0, all);
    EXPECT_GE(found_in_memory(needles).size(), needles.size()) << "while the file is open the search finds them";
  }
  for (const std::string& found : found_in_memory(needles)) ADD_FAILURE() << found;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    EXPECT_EQ(found_in_bytes(slurp(entry), needles), entry.path() == key_file ? std::vector<std::string>{"raw key"} : std::vector<std::string>{})
        << entry << "; in the key file the search finds what is there";
  }
}

// A process that dies with the file open, the key read and the segment decrypted leaves a core dump without any key.
TEST(SealSystem, E29_no_key_is_in_a_core_dump) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers leave no core dumps";
#endif
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (pattern.empty() || pattern[0] == '|' || pattern[0] == '/') GTEST_SKIP() << "core dumps go elsewhere: " << pattern;
  const Folder folder;
  const std::string path = folder / "m.tenon", key_file = folder / "key";
  const Needles needles = sealed_needles(path, key_file);
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    if (getrlimit(RLIMIT_CORE, &limit) != 0 || (limit.rlim_cur = limit.rlim_max, setrlimit(RLIMIT_CORE, &limit)) != 0 ||
        chdir(folder.path().c_str()) != 0)
      _exit(1);
    KeyRing keys;
    keys.add_raw(raw_key_from_file(key_file));
    const Unlocked unlocked = unlock(read_header(path, {}), keys, std::chrono::seconds(1));
    const auto file = SealedFile::open(path, {.keys = &keys, .threads = 1});
    static Bytes segment(4096);
    file->read(0, segment);
    signal(SIGABRT, SIG_DFL);
    abort();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  if (!WCOREDUMP(status)) GTEST_SKIP() << "the system writes no core dumps";
  std::string core;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    if (entry.path().filename().string().starts_with("core")) core = entry.path();
  ASSERT_FALSE(core.empty());
  std::vector<std::string> found = found_in_bytes(slurp(core), needles);
  // What the program itself keeps is in its dump; so the search would find a key.
  EXPECT_NE(std::find(found.begin(), found.end(), "plaintext"), found.end());
  std::erase_if(found, [](const std::string& name) { return name == "plaintext" || name == "model"; });
  EXPECT_EQ(found, std::vector<std::string>{});
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

// docs/sealed_format.md, case E32: a comparison takes as long for 0 equal leading bytes as for all
// but the last. Welch's t over interleaved batches; a difference in the code shows in every
// attempt, one of the machine does not.
class Timing {
 public:
  // `compare` compares the right bytes with those at `place`, which differ from the first byte on, or in the last alone: written there
  // before each batch, so that nothing else differs. The smallest |t| of some attempts.
  template <class Compare>
  static double least_t(int calls, View right, uint8_t* place, Compare&& compare) {
    double least = HUGE_VAL;
    for (int attempt = 0; attempt < 6; ++attempt) least = std::min(least, std::abs(t(calls, right, place, compare)));
    return least;
  }

 private:
  struct Sample {
    double mean, error;
  };
  static Sample sample(std::vector<double> times) {
    // The slowest tenth is what else the machine did.
    std::sort(times.begin(), times.end());
    times.resize(times.size() * 9 / 10);
    const double n = static_cast<double>(times.size()), mean = std::accumulate(times.begin(), times.end(), 0.0) / n;
    double square = 0;
    for (const double x : times) square += (x - mean) * (x - mean);
    return {mean, square / (n - 1) / n};
  }
  template <class Compare>
  static double t(int calls, View right, uint8_t* place, Compare& compare) {
    using Clock = std::chrono::steady_clock;
    std::mt19937 random(std::random_device{}());
    std::vector<double> times[2];
    Bytes differing[2] = {Bytes(right.begin(), right.end()), Bytes(right.begin(), right.end())};
    for (uint8_t& b : differing[0]) b ^= 0x5a;
    differing[1].back() ^= 0x5a;
    for (int batch = 0; batch < 1000; ++batch) {
      const unsigned which = random() & 1;
      // The same instructions either way, and calls that nobody times: what came before leaves no trace in predictors.
      std::copy(differing[which].begin(), differing[which].end(), place);
      for (int i = 0; i < calls / 4 + 1; ++i) compare();
      const auto start = Clock::now();
      for (int i = 0; i < calls; ++i) compare();
      times[which].push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    const Sample early = sample(std::move(times[0])), late = sample(std::move(times[1]));
    return (late.mean - early.mean) / std::sqrt(early.error + late.error + 1e-30);
  }
};

TEST(SealSystem, E32_comparing_takes_the_same_time_wherever_the_difference_is) {
  constexpr double kDifferent = 4.5;  // the usual bound of such tests
  volatile int sink = 0;
  const Bytes right = expected_blob(0, 32);
  Bytes other(32);
  const auto stops_early = [&] {
    for (size_t i = 0; i < right.size(); ++i)
      if (right[i] != other[i]) return;
    sink = sink + 1;
  };
  EXPECT_GT(Timing::least_t(400, right, other.data(), stops_early), kDifferent) << "the measurement can tell";
  EXPECT_LT(Timing::least_t(400, right, other.data(), [&] { sink = sink + equal_constant_time(right, other); }), kDifferent);

  // The header's MAC, the slot's check and the stream's tag, where a reader compares them.
  const Bytes file = made_bytes({.blobs = {100}});
  const Secret file_key = file_key_of(file);
  const FileIdentity identity = identity_of(file);
  const FileKeys keys = derive_keys(identity.file_id(), file_key);
  Header header = parse_header(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(header_bytes(file))), kMostLogN);
  const auto place = [&](View part) { return header.bytes.data() + (part.data() - header.bytes.data()); };
  const KeyRing ring = raw_ring(0);
  const auto no_slot = [&] { return outcome([&] { unlock(header, ring, std::chrono::seconds(1)); }); };

  const Bytes mac(header.mac().begin(), header.mac().end());
  EXPECT_LT(Timing::least_t(4, mac, place(header.mac()), [&] { sink = sink + mac_fits(header, keys.header); }), kDifferent);
  EXPECT_EQ(no_slot(), "kSealAuth") << "a MAC that differs";
  const Bytes check(header.slots[0].check().begin(), header.slots[0].check().end());
  EXPECT_LT(Timing::least_t(4, check, place(header.slots[0].check()), no_slot), kDifferent);
  EXPECT_EQ(no_slot(), "kSealNoKey") << "a check that differs";
  Bytes stream(file.begin() + static_cast<ptrdiff_t>(header_bytes(file)), file.begin() + static_cast<ptrdiff_t>(header_bytes(file) + Floe::kHeader));
  const Bytes tag(stream.end() - 32, stream.end());
  const auto no_stream = [&] { return outcome([&] { Floe({.segment = 4128}, keys.data, identity.bytes, View(stream)); }); };
  EXPECT_EQ(no_stream(), "ok");
  EXPECT_LT(Timing::least_t(4, tag, stream.data() + stream.size() - 32, no_stream), kDifferent);
  EXPECT_EQ(no_stream(), "kSealAuth");
}

}  // namespace
}  // namespace tenon::seal
