// docs/sealed_format.md, case E34: every allocation of the container fails once, ours and
// OpenSSL's.
#include "formats/seal_disk.h"
#include "harness/allocations.h"

namespace tenon::seal {
namespace {

// The real system, which allocates nothing, but for syncing, which takes long.
class NoSync : public System {
 public:
  int fsync(int) override { return 0; }
};

size_t open_files() { return static_cast<size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), {})); }

// Runs `body` on a file of these bytes (none: no file), with each of its allocations failing in turn.
void walk(const char* name, const Bytes& original, bool changes, const std::function<void(const std::string&, System&)>& body) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  NoSync system;
  const auto reset = [&] {
    fs::remove(path);
    if (!original.empty()) spill(path, original);
  };
  int64_t total = 0;
  for (int warm = 0; warm < 3; ++warm) {
    reset();
    const int64_t before = harness::allocations();
    body(path, system);
    total = harness::allocations() - before;
  }
  ASSERT_GT(total, 20) << name;
  const size_t files = open_files();
  int failed = 0;
  for (int64_t i = 0; i < total; ++i) {
    SCOPED_TRACE(std::string(name) + ", allocation " + std::to_string(i));
    reset();
    std::string result;
    try {
      const harness::FailingAllocation fault(i);
      body(path, system);
      result = "ok";
    } catch (const Error& error) { result = tenon::name(error.code()); } catch (const std::bad_alloc&) {
      result = "bad_alloc";
    }
    failed += result != "ok";
    EXPECT_EQ(open_files(), files);
    const bool exists = fs::exists(path), kept = original.empty() ? !exists : exists && slurp(path) == original;
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), exists ? 1 : 0) << "no temporary file stays";
    if (changes && !kept) {
      EXPECT_EQ(open_and_read(path), "ok") << "the new file is whole, whatever was reported: " << result;
    } else {
      EXPECT_TRUE(kept && (!changes || result != "ok")) << result;
    }
  }
  // Most failures must be seen; a few allocations are caches of OpenSSL, without which it goes on.
  EXPECT_GT(failed, total / 2) << name;
}

TEST(SealMemory, E34_every_allocation_fails_once) {
  const Made made{.blobs = {9000, 10},
                  .policy = R"({"v":1,"model":"a","release":1,"grants":[{"who":["any"],"may":["run"]}]})",
                  .metadata = R"({"a":"b"})",
                  .signers = {1}};
  const Bytes original = made_bytes(made);
  const KeyRing keys = raw_ring(0);
  const std::vector<Block<32>> signers = {ed25519_public(secret(1))};
  Bytes all(9000 + 120 + 10);
  walk("open and read", original, false, [&](const std::string& path, System& system) {
    const auto file = SealedFile::open(path, {.keys = &keys, .signers = signers, .threads = 1, .system = &system});
    file->read(0, std::span(all).first(file->data_size()));
  });
  walk("verify", original, false, [&](const std::string& path, System& system) { verify(path, {.keys = &keys, .threads = 1, .system = &system}); });
  walk("seal", {}, true, [&](const std::string& path, System& system) {
    Made copy = made;
    copy.system = &system;
    copy.seal(path);
  });
  walk("change", original, true, [&](const std::string& path, System& system) {
    SlotChange add;
    add.add.push_back(NewSlot::to(x25519_public(secret(5))));
    change(path, {.keys = &keys, .threads = 1, .system = &system}, add);
  });
}

}  // namespace
}  // namespace tenon::seal
