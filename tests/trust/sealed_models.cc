// Sealed models opened like any other: the same answers, by content and name, lazily, with what the host asks for.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "formats/seal_search.h"
#include "trust/sealed.h"

namespace tenon::trust {
namespace {

using seal::Folder;
using seal::message;
using seal::outcome;
using seal::secret;
using seal::spill;

TEST(SealedModel, answers_as_the_plain_model_does_to_the_bit) {
  const Folder folder;
  const BranchModel plain;
  seal_model(plain.bytes(), folder / "m.tenon");
  for (const bool reference : {false, true}) {
    Options o = with_key();
    o.reference = reference;
    const Model a = Model::from_memory(plain.bytes().data(), static_cast<int64_t>(plain.bytes().size()), o), b = Model::load(folder / "m.tenon", o);
    for (const bool yes : {false, true}) EXPECT_EQ(answer(a, yes), answer(b, yes));
    EXPECT_EQ(a.dump("read"), b.dump("read"));
    EXPECT_EQ(a.dump(), b.dump());
    EXPECT_EQ(a.inputs().size(), b.inputs().size());
    EXPECT_EQ(a.inspect().parameters, b.inspect().parameters);
  }
  const Model b = Model::load(folder / "m.tenon", with_key());
  Session session(b);
  const BranchInputs in;
  for (const auto& [name, tensor] : in.named()) session.bind_input(name, tensor);
  const CheckReport report = session.check();
  EXPECT_TRUE(report.ok);
  EXPECT_GE(report.rows.size(), 3u);
  EXPECT_GE(session.profile().size(), 3u);
}

TEST(SealedModel, says_where_it_came_from) {
  const Folder folder;
  const BranchModel plain;
  const std::string path = folder / "m.tenon", policy = R"({"v":1,"model":"acme/branch","release":7})";
  seal_model(plain.bytes(), path, policy, {1});
  Options o = with_key();
  const Model unsigned_model = Model::load(path, o);
  EXPECT_TRUE(unsigned_model.origin().sealed);
  EXPECT_TRUE(unsigned_model.origin().signed_by.empty()) << "no signer is trusted, so none is reported";
  EXPECT_EQ(unsigned_model.origin().claimed_by, std::vector<std::string>{seal::hex(seal::ed25519_public(secret(1)))});
  EXPECT_EQ(unsigned_model.origin().opened_by, seal::raw_key_principal(secret(0)));
  o.sealed.signers = {seal::hex(seal::ed25519_public(secret(1)))};
  const Model m = Model::load(path, o);
  EXPECT_EQ(m.origin().signed_by, o.sealed.signers);
  const SealedNotes notes = m.inspect().sealed;
  EXPECT_EQ(notes.model, "acme/branch");
  EXPECT_EQ(notes.release, 7u);
  EXPECT_EQ(notes.policy, policy);
  EXPECT_EQ(notes.metadata, (std::vector<std::pair<std::string, std::string>>{{"title", "a test"}}));
  const Model bare = Model::from_memory(plain.bytes().data(), static_cast<int64_t>(plain.bytes().size()));
  EXPECT_FALSE(bare.origin().sealed);
  EXPECT_EQ(outcome([&] { bare.require(Right::export_); }), "ok");
}

// The plan reads each weight once; of weights that nobody reads no segment is opened.
TEST(SealedModel, lazy_loading_opens_only_the_segments_that_are_needed) {
  const Folder folder;
  const auto opened = [&](int unused) {
    const BranchModel plain(unused);
    seal_model(plain.bytes(), folder / "m.tenon");
    const Model m = Model::load(folder / "m.tenon", with_key());
    EXPECT_EQ(answer(m).size(), 1024u);
    const SealedNotes notes = m.inspect().sealed;
    return std::pair(notes.segments, notes.segments_opened);
  };
  const auto [segments, needed] = opened(0);
  const auto [more, still] = opened(5);
  EXPECT_EQ(more, segments + 5 * 16) << "five megabytes in segments of 64 KiB";
  // Blobs do not begin where segments do: a segment that two of them share may be opened for each.
  EXPECT_LE(still, needed + 2);
  EXPECT_LT(still, more - 70);

  // Inputs and outputs alone need no weights at all.
  seal_model(BranchModel(5).bytes(), folder / "m.tenon");
  Options o = with_key();
  o.reference = true;
  const Model m = Model::load(folder / "m.tenon", o);
  EXPECT_LE(m.inspect().sealed.segments_opened, 17u + 1) << "the typed weights, whose elements are decoded, and the small ones";
}

TEST(SealedModel, is_recognised_by_its_content_and_its_name) {
  const Folder folder;
  const BranchModel plain;
  const std::string sealed = folder / "sealed.onnx", bare = folder / "bare.onnx", posing = folder / "posing.tenon";
  seal_model(plain.bytes(), sealed, R"({"v":1,"model":"acme/branch","release":7})");
  spill(bare, seal::ascii(plain.bytes()));
  spill(posing, seal::ascii(plain.bytes()));
  const auto load = [](const std::string& path, const std::function<void(SealedOptions&)>& ask = {}) {
    Options o = with_key();
    if (ask) ask(o.sealed);
    return outcome([&] { Model::load(path, o); });
  };
  EXPECT_EQ(load(sealed), "ok");
  EXPECT_EQ(load(bare), "ok");
  EXPECT_EQ(load(posing), "kNotSealed");  // docs/sealed_format.md, case E35
  EXPECT_EQ(load(bare, [](SealedOptions& s) { s.require_sealed = true; }), "kNotSealed");
  EXPECT_EQ(load(bare, [](SealedOptions& s) { s.expect_model = "acme/branch"; }), "kNotSealed");
  EXPECT_EQ(load(bare, [](SealedOptions& s) { s.min_release = 0; }), "kNotSealed");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.require_sealed = true, s.expect_model = "acme/branch", s.min_release = 7; }), "ok");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.expect_model = "acme/other"; }), "kPolicyDenied");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.min_release = 8; }), "kPolicyDenied");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.keys = with_key(9).sealed.keys; }), "kSealNoKey");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.keys.clear(); }), "kSealNoKey");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.signers = {std::string(64, 'a')}; }), "kSealUnsigned");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.key_files = {"/nonexistent"}; }), "kSealKeySource");
  EXPECT_EQ(load(sealed, [](SealedOptions& s) { s.key_commands = {{"kms", {}}}; }), "bad_usage");
}

Model from_memory(const seal::Bytes& bytes, const Options& o) { return Model::from_memory(bytes.data(), static_cast<int64_t>(bytes.size()), o); }

TEST(SealedModel, opens_from_memory_as_from_a_file) {
  const Folder folder;
  const BranchModel plain;
  const std::string path = folder / "m.tenon";
  seal_model(plain.bytes(), path, R"({"v":1,"model":"acme/branch","release":7})", {1});
  seal::Bytes bytes = seal::slurp(path);
  const auto load = [&](const std::function<void(SealedOptions&)>& ask) {
    Options o = with_key();
    ask(o.sealed);
    return outcome([&] { from_memory(bytes, o); });
  };
  Options o = with_key();
  o.sealed.signers = {seal::hex(seal::ed25519_public(secret(1)))};
  const Model a = Model::load(path, o), b = from_memory(bytes, o);
  for (const bool yes : {false, true}) EXPECT_EQ(answer(a, yes), answer(b, yes));
  EXPECT_EQ(a.dump(), b.dump());
  EXPECT_EQ(b.origin().signed_by, o.sealed.signers);
  EXPECT_EQ(b.origin().file_id, a.origin().file_id);
  EXPECT_EQ(b.inspect().sealed.release, 7u);
  EXPECT_EQ(load([](SealedOptions& s) { s.require_sealed = true, s.expect_model = "acme/branch", s.min_release = 7; }), "ok");
  EXPECT_EQ(load([](SealedOptions& s) { s.min_release = 8; }), "kPolicyDenied");
  EXPECT_EQ(load([](SealedOptions& s) { s.keys = with_key(9).sealed.keys; }), "kSealNoKey");
  EXPECT_EQ(load([](SealedOptions& s) { s.signers = {std::string(64, 'a')}; }), "kSealUnsigned");

  const auto cut = [&](size_t n) { return outcome([&] { Model::from_memory(bytes.data(), static_cast<int64_t>(n), with_key()); }); };
  EXPECT_EQ(cut(4095), "kNotSealed");
  EXPECT_EQ(cut(4096), "kSealTruncated");
  EXPECT_EQ(cut(bytes.size() - 1), "kSealTruncated");
  bytes.push_back(0);
  EXPECT_EQ(cut(bytes.size()), "kSealTrailing");
  bytes.pop_back();
  bytes[seal::load32(bytes.data() + 128) + 74 + 12 * ((1 << 16) + 32) + 100] ^= 1;
  EXPECT_EQ(outcome([&] { answer(from_memory(bytes, o)); }), "kSealDamaged") << "signers are named: the digest is compared";
  EXPECT_EQ(outcome([&] { answer(from_memory(bytes, with_key())); }), "kSealAuth");

  Options strict = with_key();
  strict.sealed.require_sealed = true;
  EXPECT_EQ(outcome([&] { Model::from_memory(plain.bytes().data(), static_cast<int64_t>(plain.bytes().size()), strict); }), "kNotSealed");
  EXPECT_EQ(outcome([&] { Model::from_memory(nullptr, 0, strict); }), "kNotSealed");
}

TEST(SealedModel, damage_is_met_where_it_is_read) {
  const Folder folder;
  const std::string path = folder / "m.tenon";
  seal_model(BranchModel(1).bytes(), path);
  seal::Bytes file = seal::slurp(path);
  const Model before = Model::load(path, with_key());
  const std::string expected = answer(before);
  // Behind the small weights lie those of the branches, eight segments, then the unused ones: nobody reads these, nobody sees that
  // they are damaged.
  const size_t data = seal::load32(file.data() + 128) + 74, segment = (1 << 16) + 32;
  file[data + 12 * segment + 100] ^= 1;
  spill(path, file);
  EXPECT_EQ(answer(Model::load(path, with_key())), expected);
  file[data + 30 * segment + 100] ^= 1;
  spill(path, file);
  const std::string said = message([&] { answer(Model::load(path, with_key())); });
  EXPECT_NE(said.find("cannot load"), std::string::npos) << said;
  EXPECT_NE(said.find("segment 30: the tag does not fit"), std::string::npos) << said;
}

// What a hostile sender may write, authentic as it is.
TEST(SealedModel, refers_to_its_own_blobs_and_to_each_once) {
  const Folder folder;
  const auto said = [&](std::vector<std::pair<std::string_view, std::string_view>> locations) {
    onnx::Model m = onnx::small_model({onnx::node("Add", {"x", locations[0].first}, {"y"})});
    for (const auto& [name, location] : locations) {
      onnx::TensorView w;
      w.name = name, w.data_type = 1, w.dims = {2}, w.external = true, w.external_data = {{"location", location}};
      m.graph.initializers.push_back(w);
    }
    const std::string bytes = onnx::write_model(m);
    seal::SealInput input{.model = seal::ascii(bytes), .policy = {}, .metadata = {}, .blobs = {8, 12}, .read = {}};
    input.read = [](size_t, uint64_t, std::span<uint8_t> to) { std::ranges::fill(to, uint8_t{0}); };
    seal::SealOptions options;
    options.slots.push_back(seal::NewSlot::raw(secret(0)));
    seal::seal(folder / "m.tenon", input, options);
    return message([&] { Model::load(folder / "m.tenon", with_key()); });
  };
  EXPECT_EQ(said({{"w", "raw:0"}}), "");
  EXPECT_EQ(said({{"w", "file:0"}, {"v", "file:0"}}), "");
  EXPECT_NE(said({{"w", "../../etc/passwd"}}).find("outside file \"../../etc/passwd\""), std::string::npos);
  EXPECT_NE(said({{"w", "raw:2"}}).find("the file has 2"), std::string::npos);
  EXPECT_NE(said({{"w", "raw:1"}}).find("has 12 bytes, its shape asks for 8"), std::string::npos);
  EXPECT_NE(said({{"w", "fields:0"}}), "") << "no fields of a tensor";
  EXPECT_NE(said({{"w", "raw:0"}, {"v", "raw:0"}}).find("two tensors have blob 0"), std::string::npos);
  EXPECT_NE(said({{"w", "raw:0"}, {"v", "fields:0"}}).find("two tensors have blob 0"), std::string::npos);
}

TEST(SealedModel, sparse_and_external_data_and_bools_and_strings_come_through) {
  const Folder folder;
  using namespace onnx;
  std::ofstream(folder / "w.bin", std::ios::binary) << random_floats(2, 8);
  onnx::Model m = small_model(
      {node("Add", {"x", "w"}, {"a"}), node("Add", {"a", "s"}, {"b"}), node("Where", {"c", "b", "x"}, {"y"}), node("Identity", {"t"}, {"texts"})});
  TensorView w;
  w.name = "w", w.data_type = 1, w.dims = {2}, w.external = true;
  w.external_data = {{"location", "w.bin"}};
  const std::string one = random_floats(1, 9), index("\1\0\0\0\0\0\0\0", 8), flags("\7\0", 2),
                    texts = number(1, 2) + number(2, 8) + onnx::bytes(8, "t") + onnx::bytes(6, "first") + onnx::bytes(6, "second");
  m.graph.initializers = {w, raw_tensor("c", DType::boolean, {2}, flags)};
  m.graph.initializers.emplace_back().message = texts;
  m.graph.sparse_initializers.push_back({raw_tensor("s", DType::f32, {1}, one), raw_tensor("", DType::s64, {1}, index), {2}});
  m.graph.outputs.push_back({.name = "texts", .type = tensor_type(DType::string, {2})});
  const std::string bytes = write_model(m);
  spill(folder / "m.onnx", seal::ascii(bytes));
  seal_model(bytes, folder / "m.tenon", {}, {}, 12, folder.path().string());
  const auto run = [](const tenon::Model& model) {
    Session session(model);
    float x[2] = {0.5f, -2};
    const std::vector<Tensor> out = session.run({{"x", {DType::f32, {2}, x}}});
    return std::to_string(out[0].as<float>()[0]) + " " + std::to_string(out[0].as<float>()[1]) + " " + out[1].as<std::string>()[0] + " " +
           out[1].as<std::string>()[1];
  };
  const std::string expected = run(tenon::Model::load(folder / "m.onnx"));
  EXPECT_EQ(run(tenon::Model::load(folder / "m.tenon", with_key())), expected);
  EXPECT_NE(expected.find("first second"), std::string::npos);
}

// docs/sealed_format.md, case E29, for a whole model: weights of every kind are gone with it, and
// no file has them.
TEST(SealedModel, E29_no_weights_are_left_in_memory_or_files) {
  const Folder folder;
  constexpr unsigned kSeed = 1000;  // weights that no other test has
  seal::Needles needles;
  {
    for (const auto& [name, n, seed] : std::initializer_list<std::tuple<const char*, size_t, unsigned>>{
             {"w1", 256 * 1024, 1}, {"w2", 1024 * 256, 2}, {"b", 256, 3}, {"scale", 256, 4}, {"w3", 65536, 5}, {"w4", 65536, 6}}) {
      std::string weights = random_floats(n, kSeed + seed);
      needles.emplace_back(name, seal::inverted(seal::ascii(std::string_view(weights).substr(400, 64))));
      explicit_bzero(weights.data(), weights.size());
    }
    // Another process makes the model, so that this one never held it.
    const pid_t child = fork();
    if (child == 0) _exit(outcome([&] { seal_model(BranchModel(0, kSeed).bytes(), folder / "m.tenon"); }) == "ok" ? 0 : 1);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  for (const bool reference : {false, true}) {
    for (const std::string& found : seal::found_in_memory(needles)) ADD_FAILURE() << "before: " << found;
    Options o = with_key();
    o.reference = reference;
    {
      const Model m = Model::load(folder / "m.tenon", o);
      EXPECT_EQ(answer(m).size(), 1024u);
      EXPECT_FALSE(seal::found_in_memory(needles).empty());
    }
    for (const std::string& found : seal::found_in_memory(needles)) ADD_FAILURE() << (reference ? "reference: " : "") << found;
  }
  for (const auto& entry : seal::fs::directory_iterator(folder.path()))
    EXPECT_EQ(seal::found_in_bytes(seal::slurp(entry), needles), std::vector<std::string>{}) << entry;
}

TEST(SealedModel, real_models_answer_the_same) {
  const std::filesystem::path models = seal::shared() / "models";
  NEED_SHARED(models);
  const Folder folder;
  struct Case {
    const char* file;
    std::map<std::string, int64_t> dims;
  };
  for (const Case& c : {Case{"mobilenetv2_fp32/mobilenetv2_fp32.onnx", {{"batch_size", 1}}}, Case{"mobilenetv2_qdq/mobilenetv2-12-qdq.onnx", {}},
                        Case{"mnist/mnist.onnx", {}}, Case{"moonshine_tiny/encoder_model.onnx", {{"batch_size", 1}, {"num_samples", 16000}}}}) {
    SCOPED_TRACE(c.file);
    const std::string path = models / c.file;
    const auto source = map_file(path);
    seal_model({static_cast<const char*>(source->view(0, source->bytes())), static_cast<size_t>(source->bytes())}, folder / "m.tenon");
    Options o = with_key();
    o.dims = c.dims;
    const auto run = [&](const std::string& file) {
      const Model model = Model::load(file, o);
      Session session(model);
      std::map<std::string, OwnedTensor> inputs;
      std::map<std::string, Tensor> views;
      for (const Port& p : model.inputs()) {
        std::vector<int64_t> shape;
        for (const Axis& a : p.shape) shape.push_back(a.size >= 0 ? a.size : 1);
        OwnedTensor& t = inputs.emplace(p.name, OwnedTensor(p.dtype, shape)).first->second;
        for (int64_t i = 0; i < t.count(); ++i)
          store_cell(p.dtype, t.data(), i, is_real(p.dtype) ? Cell{.real = std::sin(0.1 * static_cast<double>(i))} : Cell{.integer = i % 7});
        views.emplace(p.name, t.view());
      }
      std::string all;
      for (const Tensor& t : session.run(views)) all.append(t.as<char>(), static_cast<size_t>(t.bytes()));
      return all;
    };
    EXPECT_TRUE(run(path) == run(folder / "m.tenon"));
  }
}

}  // namespace
}  // namespace tenon::trust
