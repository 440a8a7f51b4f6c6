// No path of the interface or of the tools gets round a policy: every public function and every subcommand is walked with a policy that
// forbids it. A function or subcommand that is not in the lists here fails the test.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regex>
#include <set>
#include <thread>

#include "runtime/trust/audit.h"
#include "trust/sealed.h"

namespace tenon::trust {
namespace {

using seal::Folder;
using seal::outcome;
using seal::secret;
using seal::spill;

std::string grants(const std::string& list) { return R"({"v":1,"model":"acme/branch","release":7,"grants":[)" + list + "]}"; }
std::string may(const std::string& operations, uint64_t not_after = 0) {
  return R"({"who":["any"],"may":[)" + operations + "]" + (not_after ? ",\"not_after\":" + std::to_string(not_after) : "") + "}";
}

// ---- Functions ----

enum Need { nothing, to_run, to_inspect, to_export };
struct Function {
  const char* of;
  const char* name;
  Need need;  // of what can be called on a model that was opened; load asks for its purpose
  std::function<void(const Model&, Session*)> call;
};

const std::vector<Function>& functions() {
  static const BranchInputs in;
  static float lent[256];
  static const std::vector<Function> list = {
      {"Model", "origin", nothing, [](const Model& m, Session*) { m.origin(); }},
      {"Model", "inputs", nothing, [](const Model& m, Session*) { m.inputs(); }},
      {"Model", "outputs", nothing, [](const Model& m, Session*) { m.outputs(); }},
      {"Model", "ties", nothing, [](const Model& m, Session*) { m.ties(); }},
      {"Model", "load_times", nothing, [](const Model& m, Session*) { m.load_times(); }},
      // Empty without the right to inspect.
      {"Model", "notes", nothing, [](const Model& m, Session*) { m.notes(); }},
      {"Model", "pass_names", nothing, [](const Model& m, Session*) { m.pass_names(); }},
      {"Model", "require", to_inspect, [](const Model& m, Session*) { m.require(Right::inspect); }},
      {"Model", "inspect", to_inspect, [](const Model& m, Session*) { m.inspect(); }},
      {"Model", "dump", to_inspect, [](const Model& m, Session*) { m.dump(); }},
      {"Model", "explain", to_inspect, [](const Model& m, Session*) { m.explain(); }},
      {"Model", "write_onnx", to_export, [](const Model& m, Session*) { m.write_onnx(Folder() / "written.onnx"); }},
      {"Session", "Session", to_run, [](const Model& m, Session*) { Session session(m); }},
      {"Session", "bind_input", nothing, [](const Model&, Session* s) { s->bind_input("x", in.x), s->bind_input("flag", in.flag); }},
      {"Session", "bind_output", nothing, [](const Model&, Session* s) { s->bind_output("y", lent, sizeof lent); }},
      {"Session", "run", to_run, [](const Model&, Session* s) { s->run(); }},
      {"Session", "run", to_run, [](const Model&, Session* s) { s->run(in.named()); }},
      {"Session", "outputs", nothing, [](const Model&, Session* s) { s->outputs(); }},
      {"Session", "profile", to_inspect, [](const Model&, Session* s) { s->profile(); }},
      {"Session", "check", to_inspect, [](const Model&, Session* s) { s->check(); }},
      {"Session", "counters", nothing, [](const Model&, Session* s) { s->counters(); }},
      {"Session", "memory_bytes", nothing, [](const Model&, Session* s) { s->memory_bytes(); }},
      // A tied input is the output of the run before: a state is no weight.
      {"Session", "reset_state", nothing, [](const Model&, Session* s) { s->reset_state(); }},
      {"Session", "reserve_state", nothing, [](const Model&, Session* s) { s->reserve_state(8); }},
      {"Session", "state", nothing,
       [](const Model&, Session* s) {
         try {
           s->state("y");
         } catch (const Error& e) {  // nothing is tied here, which is no matter of rights
           if (e.code() != Code::bad_usage) throw;
         }
       }},
      {"Session", "tie", nothing, [](const Model&, Session* s) { s->bind_output("y", nullptr, 0), s->tie("y", "x"); }},
  };
  return list;
}

// What stands in the bodies of the public classes, as their names; constructors that only move are no way in.
std::set<std::pair<std::string, std::string>> declared() {
  std::ifstream in(std::string(TENON_SOURCE_DIR) + "/runtime/tenon.h");
  const std::string header((std::istreambuf_iterator<char>(in)), {});
  std::set<std::pair<std::string, std::string>> out;
  for (const char* name : {"Model", "Session"}) {
    std::smatch body;
    EXPECT_TRUE(std::regex_search(header, body, std::regex("\nclass " + std::string(name) + R"( \{\n public:\n([\s\S]*?)\n private:)")));
    const std::string text = std::regex_replace(body[1].str(), std::regex("//[^\n]*"), "");
    const std::regex call(R"((~?\w+)\()");
    for (auto i = std::sregex_iterator(text.begin(), text.end(), call); i != std::sregex_iterator(); ++i)
      if ((*i)[1].str()[0] != '~') out.emplace(name, (*i)[1]);
  }
  return out;
}

TEST(Enforcement, every_public_function_is_walked) {
  std::set<std::pair<std::string, std::string>> walked = {{"Model", "load"}, {"Model", "from_memory"}};
  for (const Function& f : functions()) walked.emplace(f.of, f.name);
  EXPECT_EQ(walked, declared());
}

TEST(Enforcement, loading_needs_the_right_it_is_for) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  const BranchModel plain;
  const auto load = [&](Right purpose) {
    Options o = with_key();
    o.sealed.purpose = purpose;
    const std::string from_file = outcome([&] { Model::load(path, o); });
    const seal::Bytes bytes = seal::slurp(path);
    EXPECT_EQ(outcome([&] { Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), o); }), from_file);
    return from_file;
  };
  for (const auto& [granted, allowed] : std::vector<std::pair<std::string, std::set<Right>>>{{"", {}},
                                                                                             {may(R"("run")"), {Right::run}},
                                                                                             {may(R"("inspect")"), {Right::inspect}},
                                                                                             {may(R"("export")"), {Right::export_}},
                                                                                             {may(R"("share","serve")"), {}}}) {
    seal_model(plain.bytes(), path, grants(granted));
    for (const Right purpose : {Right::run, Right::inspect, Right::export_})
      EXPECT_EQ(load(purpose), allowed.count(purpose) ? "ok" : "kPolicyDenied") << granted << static_cast<int>(purpose);
  }
}

TEST(Enforcement, functions_are_refused_one_by_one) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  const BranchModel plain;
  for (const auto& [given, in_memory] : {std::pair(Right::run, false), {Right::run, true}, {Right::inspect, false}, {Right::inspect, true}}) {
    const bool runs = given == Right::run;
    seal_model(plain.bytes(), path, grants(may(runs ? R"("run")" : R"("inspect")")));
    Options o = with_key();
    o.sealed.purpose = given;
    const seal::Bytes bytes = seal::slurp(path);
    const Model model = in_memory ? Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), o) : Model::load(path, o);
    std::optional<Session> session;
    if (runs) session.emplace(model);
    for (const Function& f : functions()) {
      const std::string_view of = f.of, name = f.name;
      if (of == "Session" && name != "Session" && !session) continue;
      const bool allowed = f.need == nothing || (f.need == to_run && runs) || (f.need == to_inspect && !runs);
      EXPECT_EQ(outcome([&] { f.call(model, session ? &*session : nullptr); }), allowed ? "ok" : "kPolicyDenied") << of << "::" << name;
    }
    EXPECT_EQ(outcome([&] { model.require(Right::export_); }), "kPolicyDenied");
  }
}

// Everything was allowed when the model was opened; then the grant ended.
TEST(Enforcement, every_function_is_refused_once_the_grant_has_ended) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  const auto end = static_cast<uint64_t>(std::time(nullptr)) + 2;
  seal_model(BranchModel().bytes(), path, grants(may(R"("run","inspect","export")", end)));
  const Model model = Model::load(path, with_key());
  Session session(model);
  for (const Function& f : functions()) {
    if (std::string_view(f.name) == "tie") continue;
    EXPECT_EQ(outcome([&] { f.call(model, &session); }), "ok") << f.name;
  }
  while (static_cast<uint64_t>(std::time(nullptr)) < end) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (const Function& f : functions()) EXPECT_EQ(outcome([&] { f.call(model, &session); }), f.need == nothing ? "ok" : "kPolicyDenied") << f.name;
  EXPECT_EQ(outcome([&] { Model::load(path, with_key()); }), "kPolicyDenied");
}

TEST(Enforcement, a_host_narrows_what_the_file_allows) {
  const Folder folder;
  const std::string path = folder / "m.tenon", host = folder / "host.json";
  seal_model(BranchModel().bytes(), path);
  spill(host, seal::ascii(R"({"v":1,"grants":[{"who":["user:alice"],"may":["run"]}]})"));
  Options o = with_key();
  o.sealed.host_policy = host;
  EXPECT_EQ(outcome([&] { Model::load(path, o); }), "kPolicyDenied");
  o.sealed.vouched = {"user:alice"};
  const Model model = Model::load(path, o);
  EXPECT_EQ(answer(model).size(), 1024u);
  EXPECT_EQ(outcome([&] { model.inspect(); }), "kPolicyDenied");
  spill(host, seal::ascii("{}"));
  EXPECT_EQ(outcome([&] { Model::load(path, o); }), "kPolicyFormat");
  o.sealed.vouched = {"key:alice"};
  o.sealed.host_policy.clear();
  EXPECT_EQ(outcome([&] { Model::load(path, o); }), "bad_usage");
}

TEST(Enforcement, elements_of_weights_are_dumped_only_where_export_is_granted) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  onnx::Model m = onnx::small_model({onnx::node("Add", {"x", "w"}, {"y"})});
  const float w[] = {0.125f, 0.625f};
  m.graph.initializers.push_back(onnx::raw_tensor("w", DType::f32, {2}, {reinterpret_cast<const char*>(w), sizeof w}));
  for (const bool with_export : {false, true}) {
    seal_model(onnx::write_model(m), path, grants(may(with_export ? R"("run","inspect","export")" : R"("run","inspect")")));
    EXPECT_EQ(Model::load(path, with_key()).dump().find("0.625") != std::string::npos, with_export);
  }
}

// ---- Records ----

class FailingSystem : public seal::System {
 public:
  ssize_t write(int fd, const void* data, size_t n) override { return fails ? (errno = ENOSPC, -1) : System::write(fd, data, n); }
  ssize_t pwrite(int fd, const void* data, size_t n, off_t at) override { return fails ? (errno = ENOSPC, -1) : System::pwrite(fd, data, n, at); }
  std::atomic<bool> fails{false};
};

std::vector<nlohmann::json> records(const std::string& log) {
  std::vector<nlohmann::json> out;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

TEST(Enforcement, every_run_is_recorded_and_a_result_without_a_record_is_withheld) {
  const Folder folder;
  const std::string path = folder / "m.tenon", log = folder / "log", key = folder / "log.key";
  seal_model(BranchModel().bytes(), path, R"({"v":1,"model":"acme/branch","release":7,"audit":"run"})");
  EXPECT_EQ(outcome([&] { Model::load(path, with_key()); }), "kAuditFailed") << "the policy asks for records and there is no log";
  spill(key, seal::ascii(seal::hex(secret(77))));
  Options o = with_key();
  {
    o.sealed.audit = open_audit_log(log, key);
    const Model model = Model::load(path, o);
    o.sealed.audit = nullptr;
    Session session(model);
    answer(session), answer(session);
    EXPECT_NE(outcome([&] { session.run({{"x", {DType::f32, {1, 3}, nullptr}}}); }), "ok");
    session.bind_input("x", BranchInputs().x);
  }
  std::vector<std::string> events;
  for (const nlohmann::json& r : records(log)) events.push_back(r.at("ev"));
  EXPECT_EQ(events, (std::vector<std::string>{"start", "load", "run", "run", "run", "unload", "stop", "checkpoint"}));
  const nlohmann::json run = records(log)[2], failed = records(log)[4];
  EXPECT_EQ(run.at("model"), "acme/branch");
  EXPECT_EQ(run.at("in"), 1025);
  EXPECT_EQ(run.at("out"), 1024);
  EXPECT_EQ(run.at("ok"), true);
  EXPECT_EQ(failed.at("ok"), false);
  EXPECT_EQ(failed.at("err"), "bad_input");

  FailingSystem system;
  o.sealed.audit = std::make_shared<AuditLog>(folder / "other", secret(78), AuditOptions{.system = &system});
  const Model model = Model::load(path, o);
  Session session(model);
  std::vector<float> y(256, 7.f);
  session.bind_output("y", y.data(), 1024);
  answer(session);
  EXPECT_NE(y, std::vector<float>(256, 0.f));
  system.fails = true;
  EXPECT_EQ(outcome([&] { answer(session); }), "kAuditFailed");
  EXPECT_EQ(y, std::vector<float>(256, 0.f)) << "withheld";
  EXPECT_EQ(outcome([&] { Model::load(path, o); }), "kAuditFailed");
}

// ---- Subcommands ----

#ifdef TENON_EMULATED
constexpr bool kProgramRuns = false;
#else
constexpr bool kProgramRuns = true;
#endif

struct Ended {
  int status;
  std::string text;  // both streams
};

Ended tool(const std::string& arguments) {
  const std::string command = std::string(TENON_BINARY_DIR) + "/tenon " + arguments + " 2>&1 </dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  Ended out{-1, ""};
  char part[4096];
  for (size_t n; (n = fread(part, 1, sizeof part, pipe)) > 0;) out.text.append(part, n);
  const int status = pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  for (const uint8_t key : {0, 1}) {  // docs/sealed_format.md, case E29: no key is ever printed
    EXPECT_EQ(out.text.find(seal::hex(secret(key))), std::string::npos) << arguments;
    EXPECT_EQ(out.text.find(seal::text(secret(key))), std::string::npos) << arguments;
  }
  return out;
}

// Every command that opens a model, with what it takes; M is the model, N a new file.
const std::vector<std::string>& commands_that_open() {
  static const std::vector<std::string> list = {"run M --random 7",
                                                "evaluate M EXAMPLES",
                                                "bench M --duration 0.01",
                                                "inspect M",
                                                "dump M",
                                                "dump M --after read",
                                                "explain M",
                                                "check M --random 7",
                                                "convert M -o N",
                                                "unseal M -o N",
                                                "unseal M --raw N",
                                                "slots add M --recipient AGE",
                                                "slots remove M SLOT",
                                                "sign M --sign SIGNER"};
  return list;
}
// Those that open no model: they make files, read what anyone can see, or decide nothing.
const std::set<std::string> kOpenNothing = {"seal", "verify", "keygen", "policy", "audit"};

class Tools {
 public:
  Tools() {
    spill(folder / "key", seal::ascii(seal::hex(secret(0))));
    spill(folder / "signer", seal::ascii(seal::hex(secret(1))));
    spill(folder / "m.onnx", seal::ascii(plain.bytes()));
  }
  Ended run(std::string command, const std::string& model, const std::string& more) const {
    const std::map<std::string, std::string> words = {
        {"M", folder / model},         {"N", folder / "new"},          {"EXAMPLES", folder / "absent.npz"},
        {"SIGNER", folder / "signer"}, {"SLOT", std::string(32, '0')}, {"AGE", seal::recipient_string(seal::x25519_public(secret(5)))}};
    std::istringstream in(command);
    std::string line;
    for (std::string word; in >> word;) line += (words.count(word) ? words.at(word) : word) + " ";
    return tool(line + more);
  }
  std::string key() const { return "--key-file " + (folder / "key"); }

  Folder folder;
  BranchModel plain;
};

TEST(Enforcement, every_subcommand_is_refused_by_a_policy_that_grants_nothing) {
  if (!kProgramRuns) GTEST_SKIP() << "the program does not run on this machine without an emulator";
  std::set<std::string> walked = kOpenNothing;
  for (const std::string& c : commands_that_open()) walked.insert(c.substr(0, c.find(' ')));
  std::set<std::string> there;
  const std::string help = tool("--help").text;
  std::istringstream lines(help.substr(help.find("Subcommands:")));
  std::string line;
  std::getline(lines, line);
  for (std::smatch word; std::getline(lines, line) && std::regex_search(line, word, std::regex(R"(^  (\S+))"));) there.insert(word[1]);
  EXPECT_EQ(walked, there);

  const Tools tools;
  seal_model(tools.plain.bytes(), tools.folder / "m.tenon", grants(""));
  const seal::Bytes before = seal::slurp(tools.folder / "m.tenon");
  for (const std::string& command : commands_that_open()) {
    const Ended e = tools.run(command, "m.tenon", tools.key());
    EXPECT_EQ(e.status, 3) << command << "\n" << e.text;
    EXPECT_NE(e.text.find("(kPolicyDenied)"), std::string::npos) << command << "\n" << e.text;
    EXPECT_FALSE(seal::fs::exists(tools.folder / "new")) << command;
  }
  EXPECT_EQ(seal::slurp(tools.folder / "m.tenon"), before);
  EXPECT_EQ(tools.run("verify M", "m.tenon", tools.key()).status, 0) << "no policy is evaluated";
  EXPECT_EQ(tools.run("slots list M", "m.tenon", "").status, 0) << "what anyone can see";
}

TEST(Enforcement, the_options_are_the_same_on_every_command_and_each_refuses) {
  if (!kProgramRuns) GTEST_SKIP() << "the program does not run on this machine without an emulator";
  const Tools tools;
  seal_model(tools.plain.bytes(), tools.folder / "m.tenon", R"({"v":1,"model":"acme/branch","release":7})", {1});
  spill(tools.folder / "host.json", seal::ascii(R"({"v":1,"grants":[]})"));
  spill(tools.folder / "bad.json", seal::ascii("{}"));
  const std::string other = seal::hex(seal::ed25519_public(secret(2)));
  const std::vector<std::pair<std::string, std::string>> refusals = {
      {tools.key() + " --expect-model acme/other", "kPolicyDenied"},
      {tools.key() + " --min-release 8", "kPolicyDenied"},
      {tools.key() + " --host-policy " + (tools.folder / "host.json"), "kPolicyDenied"},
      {tools.key() + " --host-policy " + (tools.folder / "bad.json"), "kPolicyFormat"},
      {tools.key() + " --signer " + other, "kSealUnsigned"},
      {"--key-file " + (tools.folder / "absent"), "kSealKeySource"},
      {"--passphrase-file " + (tools.folder / "absent"), "kSealKeySource"},
      {"--identity " + (tools.folder / "absent"), "kSealKeySource"},
      {"--key-command kms=/bin/false", "kSealNoKey"},
      {"--key-file " + (tools.folder / "signer"), "kSealNoKey"},
      {"", "kSealNoKey"}};
  for (const std::string& command : commands_that_open())
    for (const auto& [options, code] : refusals) {
      const Ended e = tools.run(command, "m.tenon", options);
      EXPECT_EQ(e.status, 3) << command << " " << options << "\n" << e.text;
      EXPECT_NE(e.text.find("(" + code + ")"), std::string::npos) << command << " " << options << "\n" << e.text;
    }
  for (const std::string& command : commands_that_open()) {
    const Ended e = tools.run(command, "m.onnx", tools.key() + " --require-sealed");
    EXPECT_NE(e.text.find("(kNotSealed)"), std::string::npos) << command << "\n" << e.text;
  }
}

TEST(Enforcement, tools_work_where_all_is_allowed_and_text_reaches_a_disk_only_with_export) {
  if (!kProgramRuns) GTEST_SKIP() << "the program does not run on this machine without an emulator";
  const Tools tools;
  const std::string key = tools.key(), sealed = tools.folder / "s.tenon", text = tools.folder / "text";
  EXPECT_EQ(tool("seal " + (tools.folder / "m.onnx") + " -o " + sealed + " " + key + " --sign " + (tools.folder / "signer")).status, 0);
  const std::string signer = " --signer " + seal::hex(seal::ed25519_public(secret(1)));
  for (const char* command :
       {"run M --random 7", "bench M --duration 0.01 --layers", "inspect M", "dump M", "explain M", "check M --random 7", "verify M"}) {
    const Ended e = tools.run(command, "s.tenon", key + signer);
    EXPECT_EQ(e.status, 0) << command << "\n" << e.text;
    EXPECT_EQ(e.text.find("unsigned"), std::string::npos) << command;
  }
  const std::string unchecked = "counts as unsigned: its signature is not checked";
  EXPECT_NE(tools.run("run M --random 7", "s.tenon", key).text.find("s.tenon " + unchecked), std::string::npos);
  EXPECT_EQ(tools.run("run M --random 7", "s.tenon", key + " --signer any").text.find("unsigned"), std::string::npos) << "this will do";
  for (const char* command : {"inspect M", "verify M"})
    for (const char* any : {"", " --signer any"})
      EXPECT_NE(tools.run(command, "s.tenon", key + any).text.find("  " + unchecked), std::string::npos) << command;
  EXPECT_EQ(tools.run("unseal M -o N", "s.tenon", key).status, 0);
  EXPECT_EQ(seal::slurp(tools.folder / "new"), seal::slurp(tools.folder / "m.onnx"));
  EXPECT_EQ(tools.run("seal M -o N", "s.tenon", key).status, 2) << "sealed already";

  seal_model(tools.plain.bytes(), tools.folder / "m.tenon", grants(may(R"("run","inspect")")));
  EXPECT_NE(tools.run("inspect M", "m.tenon", key).text.find("counts as unsigned: holds no signature"), std::string::npos);
  for (const char* command : {"dump M", "explain M"}) {
    EXPECT_EQ(tools.run(command, "m.tenon", key).status, 0) << command;
    EXPECT_EQ(tools.run(command, "m.tenon", key + " >" + text).status, 3) << command;
    const seal::Bytes written = seal::slurp(text);
    EXPECT_NE(seal::text(written).find("(kPolicyDenied)"), std::string::npos) << "stderr goes there too";
    EXPECT_EQ(seal::text(written).find("matmul"), std::string::npos);
  }
}

// docs/sealed_format.md, case E29: a tool that was given a key leaves no core dump, wherever it
// dies.
TEST(Enforcement, E29_tools_leave_no_core_dump) {
  if (!kProgramRuns) GTEST_SKIP() << "the program does not run on this machine without an emulator";
  const Tools tools;
  seal_model(tools.plain.bytes(), tools.folder / "m.tenon");
  for (const bool sealed : {true, false}) {
    int in[2], out[2];
    ASSERT_EQ(pipe(in) | pipe(out), 0);
    const std::string program = std::string(TENON_BINARY_DIR) + "/tenon", model = tools.folder / (sealed ? "m.tenon" : "m.onnx"),
                      key = tools.folder / "key";
    const pid_t child = fork();
    if (child == 0) {
      rlimit limit{};
      getrlimit(RLIMIT_CORE, &limit);
      limit.rlim_cur = limit.rlim_max;
      setrlimit(RLIMIT_CORE, &limit);
      dup2(in[0], 0), dup2(out[1], 1);
      close(in[1]), close(out[0]);
      if (chdir(tools.folder.path().c_str()) != 0) _exit(1);
      if (sealed) execl(program.c_str(), "tenon", "bench", model.c_str(), "--pipe", "--key-file", key.c_str(), nullptr);
      else execl(program.c_str(), "tenon", "bench", model.c_str(), "--pipe", nullptr);
      _exit(1);
    }
    close(in[0]), close(out[1]);
    ASSERT_EQ(write(in[1], "run 0\n", 6), 6);
    std::string said;
    char c;
    pollfd answer{out[0], POLLIN, 0};
    if (poll(&answer, 1, 60'000) != 1) kill(child, SIGKILL);
    while (read(out[0], &c, 1) == 1 && c != '\n') said += c;
    EXPECT_NE(said.find("median_ms"), std::string::npos) << said;
    kill(child, SIGABRT);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    close(in[1]), close(out[0]);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    if (sealed) {
      EXPECT_FALSE(WCOREDUMP(status));
      for (const auto& entry : seal::fs::directory_iterator(tools.folder.path()))
        EXPECT_FALSE(entry.path().filename().string().starts_with("core")) << entry;
    }
  }
}

}  // namespace
}  // namespace tenon::trust
