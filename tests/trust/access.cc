// Who may use a sealed model: docs/sealed_format.md, section 9, with cases E23, E35 and E39.
#include "runtime/trust/access.h"

#include "formats/seal_disk.h"

namespace tenon::trust {
namespace {

using namespace seal;

constexpr int64_t kNow = 1'780'000'000;

// A file sealed with this policy, a host with a log, and a clock that the test turns.
class Site {
 public:
  explicit Site(std::optional<std::string> policy, AuditLevel host_level = AuditLevel::run) : clock_([this] { return now; }) {
    Made made{.blobs = {100}, .policy = std::move(policy)};
    SealOptions options = made.options();
    options.slots.push_back(NewSlot::to(x25519_public(secret(5)), "user:root"));
    seal::seal(path, made.input(), options);
    host.audit = std::make_shared<AuditLog>(folder_ / "log", secret(77));
    host.policy = Policy{};
    host.policy->audit = host_level;
    host.clock = &clock_;
    keys = raw_ring(0);
  }
  Site(const Site&) = delete;

  Opened open(Operation operation) { return trust::open(path, {.keys = &keys}, host, operation); }
  std::string result(Operation operation) {
    return outcome([&] { open(operation); });
  }
  std::string log() {
    const Bytes bytes = slurp(folder_ / "log");
    return std::string(text(bytes));
  }
  bool logged(std::string_view what) { return log().find(what) != std::string::npos; }

  Folder folder_;
  std::string path = folder_ / "m.tenon";
  int64_t now = kNow;
  KeyRing keys;
  Host host;

 private:
  ProcessClock clock_;
};

std::string policy_with(const std::string& rest) { return R"({"v":1,"model":"acme/ocr","release":7)" + (rest.empty() ? "" : "," + rest) + "}"; }

TEST(Access, E23_times_of_policy_and_grant) {
  Site site(policy_with(R"("not_before":1000,"not_after":2000,"grants":[{"who":["any"],"may":["run"],"not_before":1200,"not_after":1800}])"));
  for (const auto& [now, expected] : std::vector<std::pair<int64_t, bool>>{
           {999, false}, {1000, false}, {1199, false}, {1200, true}, {1799, true}, {1800, false}, {1999, false}, {2000, false}}) {
    site.now = now;
    EXPECT_EQ(site.result(Operation::run), expected ? "ok" : "kPolicyDenied") << now;
  }
  EXPECT_TRUE(site.logged(R"("ev":"deny")"));
  EXPECT_TRUE(site.logged(R"("op":"run","ok":false,"err":"kPolicyDenied")"));
  site.now = 1500;
  EXPECT_EQ(site.result(Operation::run), "kPolicyDenied") << "the clock was turned back while the process runs";
}

TEST(Access, E23_each_run_sees_the_end_of_validity) {
  Site site(policy_with(R"("not_after":2000)"));
  site.now = 1000;
  const Opened opened = site.open(Operation::run);
  opened.access->require_run();
  site.now = 1999;
  opened.access->require_run();
  site.now = 2000;
  EXPECT_EQ(outcome([&] { opened.access->require_run(); }), "kPolicyDenied");
  site.now = 1500;
  EXPECT_EQ(outcome([&] { opened.access->require_run(); }), "kPolicyDenied");
}

TEST(Access, E23_every_form_of_principal) {
  const std::string identity = "key:" + recipient_string(x25519_public(secret(5))), raw = raw_key_principal(secret(0));
  for (const std::string& who : {std::string("any"), raw, std::string("user:alice"), std::string("group:ocr")}) {
    Site site(policy_with(R"("grants":[{"who":[")" + who + R"("],"may":["run"]}])"));
    site.host.vouched = {"user:alice", "group:ocr"};
    EXPECT_EQ(site.result(Operation::run), "ok") << who;
    EXPECT_TRUE(site.logged("\"who\":\"" + who + "\"")) << "the principal that decided";
    EXPECT_EQ(site.result(Operation::inspect), "kPolicyDenied") << who;
  }
  for (const std::string& who :
       {identity, std::string("pass"), std::string("cmd:p/k"), std::string("user:alic"), std::string("user:Alice"), std::string("group:alice")}) {
    Site site(policy_with(R"("grants":[{"who":[")" + who + R"("],"may":["run"]}])"));
    site.host.vouched = {"user:alice"};
    EXPECT_EQ(site.result(Operation::run), "kPolicyDenied") << who;
  }
  Site site(policy_with(R"("grants":[{"who":[")" + identity + R"("],"may":["run"]}])"));
  site.keys = KeyRing();
  site.keys.add_identity(parse_identity(text(identity_string(secret(5)))));
  EXPECT_EQ(site.result(Operation::run), "ok");
  for (const char* bad : {"any", "pass", "user:", "user:a b", "root", "key:age1", "cmd:p/k"})
    EXPECT_EQ(outcome([&] { check_vouched(bad); }), "bad_usage") << bad;
}

TEST(Access, E23_grants_absent_empty_and_policies_that_are_not_one) {
  EXPECT_EQ(Site(policy_with("")).result(Operation::export_), "ok");
  EXPECT_EQ(Site(std::nullopt).result(Operation::export_), "ok");
  EXPECT_EQ(Site(policy_with(R"("grants":[])")).result(Operation::inspect), "kPolicyDenied");
  const auto parse = [](const std::string& rest) { return outcome([&] { parse_policy(policy_with(rest), PolicyPlace::file); }); };
  EXPECT_EQ(parse(R"("not_after":9007199254740991)"), "ok");
  EXPECT_EQ(parse(R"("grants":[{"who":["any","any"],"may":["run","run"]}])"), "ok");
  for (const char* bad : {R"("v":1)",
                          R"("x":1)",
                          R"("not_after":1e3)",
                          R"("not_after":-1)",
                          R"("not_after":1.0)",
                          R"("not_after":01)",
                          R"("not_after":9007199254740992)",
                          R"("not_after":"1")",
                          R"("not_after":null)",
                          R"("not_\u0061fter":1,"not_after":1)",
                          R"("audit":"all")",
                          R"("grants":{})",
                          R"("grants":[{"who":["any"]}])",
                          R"("grants":[{"may":["run"]}])",
                          R"("grants":[{"who":[],"may":["run"]}])",
                          R"("grants":[{"who":["any"],"may":[]}])",
                          R"("grants":[{"who":["any"],"may":["run","run","run","run","run","run"]}])",
                          R"("grants":[{"who":["root"],"may":["run"]}])",
                          R"("grants":[{"who":["user:"],"may":["run"]}])",
                          R"("grants":[{"who":["key:0123456789ABCDEF0123456789abcdef"],"may":["run"]}])",
                          R"("grants":[{"who":["any"],"may":["run"],"x":1}])"}) {
    EXPECT_EQ(parse(bad), "kPolicyFormat") << bad;
  }
  std::string who, grants;
  for (int i = 0; i < 257; ++i) who += (i ? ",\"user:" : "\"user:") + std::to_string(i) + "\"";
  for (int i = 0; i < 1025; ++i) grants += std::string(i ? "," : "") + R"({"who":["any"],"may":["run"]})";
  EXPECT_EQ(parse(R"("grants":[{"who":[)" + who + R"(],"may":["run"]}])"), "kPolicyFormat");
  EXPECT_EQ(parse(R"("grants":[)" + grants + "]"), "kPolicyFormat");
  EXPECT_EQ(outcome([] { parse_policy(R"({"v":1})", PolicyPlace::host); }), "ok");
  EXPECT_EQ(outcome([] { parse_policy(R"({"v":1})", PolicyPlace::file); }), "kPolicyFormat");
  EXPECT_EQ(outcome([] { parse_policy(R"({"v":1,"model":"a","release":1})", PolicyPlace::host); }), "kPolicyFormat");
}

TEST(Access, a_host_narrows_and_cannot_widen) {
  Site site(policy_with(R"("grants":[{"who":["any"],"may":["run","inspect"]}])"));
  site.host.policy = parse_policy(R"({"v":1,"grants":[{"who":["any"],"may":["run","export"]}]})", PolicyPlace::host);
  EXPECT_EQ(site.result(Operation::run), "ok");
  EXPECT_EQ(site.result(Operation::inspect), "kPolicyDenied");
  EXPECT_EQ(site.result(Operation::export_), "kPolicyDenied");
  const auto said = message([&] { site.open(Operation::inspect); });
  EXPECT_NE(said.find("host policy"), std::string::npos) << said;
}

TEST(Access, model_and_release_that_the_host_expects) {
  Site site(policy_with("")), bare(std::nullopt);
  site.host.expect_model = "acme/ocr";
  site.host.min_release = 7;
  EXPECT_EQ(site.result(Operation::run), "ok");
  site.host.min_release = 8;
  EXPECT_EQ(site.result(Operation::run), "kPolicyDenied");
  EXPECT_TRUE(site.logged(R"("ev":"deny")"));
  site.host.min_release = std::nullopt;
  site.host.expect_model = "acme/OCR";
  EXPECT_EQ(site.result(Operation::run), "kPolicyDenied");
  bare.host.min_release = 0;
  EXPECT_EQ(bare.result(Operation::run), "kPolicyDenied");
  bare.host.min_release = std::nullopt;
  bare.host.expect_model = "x";
  EXPECT_EQ(bare.result(Operation::run), "kPolicyDenied");
}

TEST(Access, E35_unsealed_bytes_are_refused_where_a_sealed_file_is_due) {
  const Folder folder;
  const std::string named = folder / "m.tenon", onnx = folder / "m.onnx";
  spill(named, Bytes(8192, 8));
  spill(onnx, Bytes(8192, 8));
  Host plain, strict;
  strict.require_sealed = true;
  EXPECT_TRUE(must_be_sealed(named, plain)) << "never tried as another format";
  EXPECT_FALSE(must_be_sealed(onnx, plain));
  EXPECT_TRUE(must_be_sealed(onnx, strict));
  const KeyRing keys = raw_ring(0);
  EXPECT_EQ(outcome([&] { open(named, {.keys = &keys}, plain, Operation::run); }), "kNotSealed");
  EXPECT_EQ(outcome([&] { open(onnx, {.keys = &keys}, strict, Operation::run); }), "kNotSealed");
  Made{.blobs = {10}}.seal(onnx);
  EXPECT_TRUE(must_be_sealed(onnx, plain)) << "a sealed file under another name";
}

TEST(Access, E39_a_server_and_its_clients) {
  Site site(
      policy_with(R"("grants":[{"who":[")" + raw_key_principal(secret(0)) + R"("],"may":["run","serve"]},{"who":["user:alice"],"may":["run"]}])"));
  {
    const Opened opened = site.open(Operation::serve);
    const std::vector<std::string> alice = {"any", "user:alice"}, mallory = {"any", "user:mallory"}, nobody = {"any"};
    EXPECT_EQ(outcome([&] { opened.access->require_for(alice, Operation::run); }), "ok");
    EXPECT_EQ(outcome([&] { opened.access->require_for(alice, Operation::inspect); }), "kPolicyDenied");
    EXPECT_EQ(outcome([&] { opened.access->require_for(mallory, Operation::run); }), "kPolicyDenied")
        << "the server's key may run, its client may not";
    EXPECT_EQ(outcome([&] { opened.access->require_for(nobody, Operation::run); }), "kPolicyDenied");
    EXPECT_TRUE(site.logged("user:mallory"));
  }
  Site clients(policy_with(R"("grants":[{"who":["user:alice"],"may":["run"]}])"));
  EXPECT_EQ(clients.result(Operation::serve), "kPolicyDenied") << "the client may run, the server may not serve";
  // The label of the slot that opens reads user:root; it is no principal.
  Site labelled(policy_with(R"("grants":[{"who":["user:root"],"may":["run"]}])"));
  labelled.keys = KeyRing();
  labelled.keys.add_identity(parse_identity(text(identity_string(secret(5)))));
  EXPECT_EQ(labelled.result(Operation::run), "kPolicyDenied");
}

TEST(Access, slots_change_only_with_the_right_to_share) {
  Site may(policy_with(R"("grants":[{"who":["any"],"may":["share"]}])")), may_not(policy_with(R"("grants":[{"who":["any"],"may":["run"]}])"));
  for (Site* site : {&may, &may_not}) {
    SlotChange add;
    add.add.push_back(NewSlot::raw(secret(40)));
    const Bytes before = slurp(site->path);
    EXPECT_EQ(outcome([&] { change(site->path, {.keys = &site->keys}, site->host, add); }), site == &may ? "ok" : "kPolicyDenied");
    EXPECT_EQ(slurp(site->path) == before, site == &may_not);
  }
  EXPECT_TRUE(may.logged(R"("ev":"share")"));
}

TEST(Access, records_that_a_policy_asks_for) {
  {
    Site site(policy_with(R"("audit":"run")"), AuditLevel::none);
    {
      const Opened opened = site.open(Operation::run);
      ASSERT_TRUE(opened.access->records_runs());
      opened.access->record_run({.request = "r1", .bytes_in = 3, .bytes_out = 4, .milliseconds = 5});
      opened.access->require(Operation::export_);
    }
    for (const char* event : {"load", "run", "export", "unload"}) EXPECT_TRUE(site.logged(std::string("\"ev\":\"") + event + "\"")) << event;
  }
  Site silent(policy_with(""), AuditLevel::none);
  EXPECT_EQ(silent.result(Operation::run), "ok");
  EXPECT_FALSE(silent.logged("\"ev\":\"load\""));
  Site without(policy_with(R"("audit":"load")"), AuditLevel::none);
  without.host.audit = nullptr;
  EXPECT_EQ(without.result(Operation::run), "kAuditFailed") << "a record that is asked for cannot be written";
  // A host that asks for records sees failed opens too.
  Site failing(policy_with(""), AuditLevel::load);
  failing.keys = raw_ring(99);
  EXPECT_EQ(failing.result(Operation::run), "kSealNoKey");
  EXPECT_TRUE(failing.logged(R"("op":"run","ok":false,"err":"kSealNoKey")"));
  // A log that cannot be written stops the operation.
  Disk disk;
  Site broken(policy_with(R"("audit":"load")"), AuditLevel::none);
  broken.host.audit = std::make_shared<AuditLog>(Disk::path("log"), secret(77), AuditOptions{.system = &disk});
  disk.stop_at = disk.calls;
  EXPECT_EQ(broken.result(Operation::run), "kAuditFailed");
}

}  // namespace
}  // namespace tenon::trust
