// Tenon's public interface: load a model once, open a session for each thread, run.
//
//   tenon::Model model = tenon::Model::load("mnist.onnx");
//   tenon::Session session(model);
//   std::vector<tenon::Tensor> out = session.run({{"Input3", tenon::Tensor{tenon::DType::f32, {1, 1, 28, 28}, pixels}}});
//
// Every failure is a tenon::Error, whose what() says where it happened and what to do. A Model is immutable and may be shared by any
// number of sessions and threads; a Session belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/precision.h"
#include "base/tensor.h"

namespace tenon {

std::string version();

// What a sealed model's policy may allow or forbid. Models that are not sealed allow everything.
enum class Right {
  run,      // execute the model, see names and shapes of its inputs and outputs
  inspect,  // see graph, names, metadata, policy, kernels and times of its steps
  export_,  // write weights, graph, or anything derived from them, in the clear
};

namespace trust {
class AuditLog;
}
// The log of who used which sealed model, for as many models as share it: `path` is continued or made, `key_file` holds the Ed25519 key
// that signs it. Throws Error(audit_failed), also where another process writes it.
std::shared_ptr<trust::AuditLog> open_audit_log(const std::string& path, const std::string& key_file);

// How a sealed model (.tenon) is opened, and what this host asks of every model. Every list may hold several; no secret is kept.
struct SealedOptions {
  std::vector<std::string> key_files;         // a raw key: 32 bytes or 64 hex digits, a file or pipe
  std::vector<std::string> key_variables;     // environment variables that hold a raw key as hex; each is unset
  std::vector<const uint8_t*> keys;           // raw keys of 32 bytes, in memory that lives until the model is loaded
  std::vector<std::string> identities;        // files of age secret keys
  std::vector<std::string> passphrase_files;  // files or pipes
  struct Command {
    std::string provider;
    std::vector<std::string> arguments;  // a program and its arguments; no shell is run
  };
  std::vector<Command> key_commands;
  bool shared_key_files = false;  // allow key files that group or others can read
  int most_log_n = 18;            // the most scrypt work of a passphrase slot, 2^N KiB; up to 22

  std::vector<std::string> signers;        // trusted signers: PEM files or 64 hex digits. Empty: any sender, the model counts as unsigned
  std::string expect_model;                // refuse any other model than this name of the policy
  int64_t min_release = -1;                // refuse releases before this one
  bool require_sealed = false;             // refuse all that is not a sealed file
  std::string host_policy;                 // a file: a policy of this host, which must allow too
  std::vector<std::string> vouched;        // user:NAME and group:NAME that this program vouches for
  std::shared_ptr<trust::AuditLog> audit;  // where records go that a policy asks for
  Right purpose = Right::run;              // what the model is loaded for; refused where the policy does not allow it
};

// Where a model came from.
struct Origin {
  bool sealed = false;
  std::string file_id;                  // hex
  std::string opened_by;                // the principal whose key opened it: "key:...", "pass" or "cmd:..."
  std::vector<std::string> signed_by;   // trusted signers whose signatures verified, hex; empty: unsigned, whatever the file holds
  std::vector<std::string> claimed_by;  // the keys of all signatures in the file, which are checked for trusted signers only
};

// What a sealed model says about itself.
struct SealedNotes {
  std::string model, policy;  // the name in its policy, and the policy as JSON; empty without a policy
  uint64_t release = 0;
  std::vector<std::pair<std::string, std::string>> metadata;
  uint64_t segments = 0, segments_opened = 0;  // of the weights: there are, and decrypted so far (one may be more than once)
};

// An output that is an input of the next run.
struct StateTie {
  std::string output, input;
  bool operator==(const StateTie&) const = default;
};

struct Options {
  int threads = 0;         // 0: every processor this process may use
  std::string isa;         // the highest ISA level, such as "avx2"; empty: the best this processor has (or TENON_ISA_MAX)
  bool reference = false;  // run through the references: slow, and the measure of everything else
  Precision precision = Precision::model;
  int64_t memory_limit = INT64_MAX;  // bytes of working memory of one session; a run that needs more is refused before it starts
  LoadLimits limits;
  bool pin_threads = true;
  // Symbolic sizes that are always the same. The model is planned for just these.
  std::map<std::string, int64_t> dims;
  // Ranks of inputs for which the file tells no shape. Where one is not given, the model is planned at the first run of each rank.
  std::map<std::string, int> ranks;
  // Likely values of other symbolic sizes: kernels are chosen for them.
  std::map<std::string, int64_t> likely_dims;
  // Inputs that are always the same become constants of the model, and what depends on them alone is computed once.
  std::map<std::string, Tensor> fixed_inputs;
  // State that every session keeps. The same can be asked of one session with Session::tie; given here, the model is planned for it at
  // once instead of at the session's first run.
  std::vector<StateTie> ties;
  bool follow_symlinks = false;  // of external data files
  SealedOptions sealed;
  // Called while loading with the name of each stage ("read", "build", "passes", "plan") as it begins.
  std::function<void(const std::string& stage)> progress;
};

// One axis of an input or output: a number, or -1 and the name (or formula) of a symbolic size.
struct Axis {
  int64_t size = -1;
  std::string symbol;
};

// The shape of a sequence or an optional is not told: its items may differ. Of a tensor it is not told where the file has none; then
// any rank is taken, and of an output the element type may be missing too.
struct Port {
  std::string name;
  DType dtype = DType::none;
  std::vector<Axis> shape;
  Container container = Container::tensor;
  DType key = DType::none;  // of a map
  bool any_rank = false;    // the shape is not told
};
std::string text(const Port& port);  // "f32[n, 3, 224, 224]", "sequence(map(s64, f32))"

// Milliseconds of each stage of loading.
struct LoadTimes {
  double read = 0, build = 0, passes = 0, plan = 0, pack = 0, total = 0;
};

struct Inspection {
  std::string format;              // "ONNX, opset 8, made by CNTK 2.5.1"
  std::vector<std::string> notes;  // as Model::notes
  std::map<std::string, int> ops;  // how many nodes of each op, after the model was simplified
  int nodes = 0;
  int64_t parameters = 0, parameter_bytes = 0;
  int64_t multiply_adds = -1;  // of one run at the likely sizes; -1 where not known
  int64_t weight_bytes = -1;   // packed, and as stored where steps read them so; -1 for a model without a plan
  int rounded_weights = 0;     // that steps read in sixteen bits, because Options::precision asks for it or the file stores them so
  double rounding_error = 0;   // the largest of them: |rounded - weight| / |weight|
  int64_t working_bytes = -1;  // of one session at the likely sizes; -1 where data or branches decide, or there is no plan
  bool open = false;           // the operators depend on sizes or integers that only a run tells: no nodes are known before
  SealedNotes sealed;
};

// One step of the plan, as `explain` shows it.
struct StepReport {
  std::string node, op, output, kernel;  // kernel "reference" where none accepted
  std::string text;                      // the node as the dump prints it
  double expected_ns = 0;
  int64_t bytes_read = 0, bytes_written = 0, packed_bytes = 0;
  double rounding_error = -1;  // of weights that it reads in sixteen bits; -1: it reads none
  struct Other {
    std::string kernel, reason;  // reason empty: accepted, but `expected_ns` is larger
    double expected_ns = 0;
  };
  std::vector<Other> others;
};

struct PlanReport {
  std::vector<StepReport> steps;
  int by_reference = 0, reorders = 0;
  int64_t packed_bytes = 0, constant_bytes = 0;
  int rounded_weights = 0;  // as Inspection's
  double rounding_error = 0;
};

// A plan compared with the references: every step on the sources that it had, and the outputs of the model with those of the reference
// executor on the model as it was read, before any pass.
struct CheckReport {
  struct Row {
    std::string op, output, kernel;
    double largest_error = 0, of_range = 0, allowed = 0;  // of_range: the error divided by the largest magnitude
    bool ok = true;
  };
  struct Output {
    std::string name;
    std::string reason;  // what differs: the shape, or the first element beyond the bound
    double largest_error = 0, of_range = 0, allowed = 0;
    bool ok = true;
  };
  std::vector<Row> rows;
  std::vector<Output> outputs;  // none where the model draws random numbers
  double outputs_of_range = 0;  // the largest of `outputs`
  bool ok = true;               // of all steps and outputs
  bool complete = true;         // false where the check was ended early: what follows in the model was not compared
};

// How Model::write_onnx writes.
struct OnnxOptions {
  // After which pass, as dump(); "simplified": with constants folded, dead code removed, and one way to say each thing.
  std::string after = "simplified";
  int opset = 25;                       // 18 to 28
  int64_t inline_bytes = int64_t{1} << 30;  // where constants take more, they go to a file beside it, PATH.data
};

// What Model::write_onnx wrote: operators, those of bodies left out, of the model as it was read and as it is written.
struct OnnxSummary {
  int nodes_before = 0, nodes = 0;
  int64_t bytes = 0, external_bytes = 0;
};

// Asked between the steps of long work; false ends it.
using GoOn = std::function<bool()>;

struct StepTime {
  std::string node, op, output, kernel;
  double nanoseconds = 0;
};

class Session;

class Model {
 public:
  // From a file (by its content: ONNX, or a sealed model). Of a sealed model the policy decides, now and at every later call, what may
  // be done: Error(policy_denied). Throws Error.
  static Model load(const std::string& path, const Options& options = {});
  // The same from memory, which must outlive the model and is not copied.
  static Model from_memory(const void* data, int64_t bytes, const Options& options = {});

  const Origin& origin() const;
  // Returns if the model may be used so, else throws Error(policy_denied). For programs that write what they see to a disk.
  void require(Right right) const;
  const std::vector<Port>& inputs() const;
  const std::vector<Port>& outputs() const;
  // The ties that Options gave; where it gave none, those that names and shapes say: past_key_values.0.key and present.0.key, state and
  // stateN, h and hn. Nothing is tied because it stands here.
  const std::vector<StateTie>& ties() const;
  const LoadTimes& load_times() const;
  // Oddities of the file that do no harm, each in a sentence: a declared shape that is not that of the result, an attribute that no
  // operator has. Empty for a sealed model whose policy does not allow Right::inspect.
  std::vector<std::string> notes() const;
  // The following three need Right::inspect.
  Inspection inspect() const;
  // The graph as text after the named pass, "read" or "passes" (all of them); `with_types` annotates each value. The elements of
  // constants stand in it only where Right::export_ is given too.
  std::string dump(const std::string& after = "passes", bool with_types = true) const;
  static std::vector<std::string> pass_names();
  PlanReport explain() const;
  // Writes the model as ONNX: of the names it keeps those of inputs, outputs and nodes that are left as they were. Needs
  // Right::export_. The file appears when it is complete. Throws Error(not_supported) for what that opset cannot say.
  OnnxSummary write_onnx(const std::string& path, const OnnxOptions& options = {}) const;

  struct Impl;

 private:
  friend class Session;
  std::shared_ptr<const Impl> impl_;
};

class Session {
 public:
  // Needs Right::run, as does every run.
  explicit Session(const Model& model);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Runs on inputs by name. The tensors returned are in the order of Model::outputs and view memory of the session (or memory bound
  // with bind_output), valid until the next run.
  std::vector<Tensor> run(const std::map<std::string, Tensor>& inputs);

  // The same in steps, for those who run often: bind memory once, change its contents, run.
  void bind_input(const std::string& name, const Tensor& tensor);
  // `data` holds at least `bytes`; a result that does not fit is an error of that run. Null gives the output back to the session.
  void bind_output(const std::string& name, void* data, int64_t bytes);
  void run();
  std::vector<Tensor> outputs() const;

  // State: outputs that become inputs of the next run. Tied inputs are not bound. The first run after this call, or after reset_state,
  // starts from zeros: of no size along axes that change from run to run, else as large as the other inputs say (1 where they do not).
  // What only grows by appending (a key-value cache) stays where it is, in memory that grows by doubling: its output has a shape but
  // no data, and `state` copies it out. A cache that a scatter updates stays too; a failed run may have written it. Others swap buffers.
  void tie(const std::string& output, const std::string& input);
  // All of Model::ties.
  void tie();
  void reset_state();
  // What the next run will read, dense.
  OwnedTensor state(const std::string& output) const;
  // Memory for so many positions along the axis that grows, so that no run up to them moves state.
  void reserve_state(int64_t positions);

  // Runs once and tells the time of every step. This and check() also need Right::inspect.
  std::vector<StepTime> profile();
  // Runs on the bound inputs and compares every step with the reference, which gets the step's own sources.
  // `go_on` is asked after each step of the plan, and of the whole model by the references; false ends the check there.
  CheckReport check(const GoOn& go_on = {});

  // `plans` counts lists of what a set of changed sizes changes, and plans for other sizes; `binds` runs with any size changed.
  struct Counters {
    int64_t runs = 0, binds = 0, plans = 0, allocations = 0, wakes = 0, state_bytes_copied = 0;
  };
  Counters counters() const;
  int64_t memory_bytes() const;  // of the arena

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
