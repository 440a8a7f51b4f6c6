// Models that write token after token with a cache: what they write, and that a step costs what a step should.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "formats/media/wav.h"
#include "models/shared.h"

namespace tenon::models {
namespace {

const char kEncoder[] = "moonshine_tiny/encoder_model.onnx", kDecoder[] = "moonshine_tiny/decoder_model_merged.onnx";
const char kLlama[] = "llama_kv_260k/stories260K_decoder_kv.onnx";

std::string replaced(std::string text, const std::string& what, const std::string& with) { return text.replace(text.find(what), what.size(), with); }

std::vector<std::string> past_inputs(const Model& model) {
  std::vector<std::string> out;
  for (const Port& port : model.inputs()) {
    if (port.name.starts_with("past_key_values")) out.push_back(port.name);
  }
  return out;
}

std::map<std::string, Tensor> outputs_by_name(const Model& model, const std::vector<Tensor>& tensors) {
  std::map<std::string, Tensor> out;
  for (size_t i = 0; i < tensors.size(); ++i) out[model.outputs()[i].name] = tensors[i];
  return out;
}

int64_t last_best(const Tensor& logits) { return best_rows(logits).back(); }

// Pieces in the layout of llama2.c: u32 longest, then f32 score, i32 length and bytes of each.
class Vocabulary {
 public:
  explicit Vocabulary(const std::string& path) {
    const std::string bytes = load_bytes(path);
    for (size_t at = 4; at + 8 <= bytes.size();) {
      int32_t length = 0;
      std::memcpy(&length, bytes.data() + at + 4, 4);
      pieces_.push_back(bytes.substr(at + 8, static_cast<size_t>(length)));
      at += 8 + static_cast<size_t>(length);
    }
  }

  std::string text(const std::vector<int64_t>& ids) const {
    std::string out;
    for (const int64_t id : ids) {
      if (id <= 2 || id >= static_cast<int64_t>(pieces_.size())) continue;
      const std::string& piece = pieces_[static_cast<size_t>(id)];
      if (piece.size() == 6 && piece.starts_with("<0x")) {
        out += static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16));
      } else {
        out += piece;
      }
    }
    out.erase(0, std::min(out.find_first_not_of(' '), out.size()));
    return out;
  }

 private:
  std::vector<std::string> pieces_;
};

std::vector<std::u32string> words(const std::string& text) {
  std::vector<std::u32string> out;
  for (const std::string& word : split(text, ' ')) out.push_back(plain_letters(word));
  return out;
}

const std::map<std::string, std::string> kTruth{
    {"jfk_16k.wav", "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."},
    {"1272-141231-0002.wav",
     "the cut on his chest still dripping blood the ache of his overstrained eyes even the soaring arena around him with the thousands of "
     "spectators were trivialities not worth thinking about"},
};

OwnedTensor encoded(Engine& encoder, const std::string& name) {
  const std::vector<float> samples = media::mono(media::load_wav(shared("data/audio/" + name)));
  return encoder.run({floats({1, static_cast<int64_t>(samples.size())}, samples)})[0];
}

// Greedy from id 1 to id 2. The caller hands every cache on, as one would without Session::tie.
std::vector<int64_t> transcribed(const Model& decoder, const Tensor& hidden) {
  Session session(decoder);
  std::map<std::string, OwnedTensor> cache;
  for (const std::string& name : past_inputs(decoder)) cache[name] = OwnedTensor(DType::f32, {1, 8, 0, 36});
  std::vector<int64_t> ids{1};
  OwnedTensor use_cache(DType::boolean, {1});
  while (ids.back() != 2 && ids.size() < 200) {
    const bool first = ids.size() == 1;
    *use_cache.as<bool>() = !first;
    const OwnedTensor token = integers({1, 1}, {ids.back()});
    std::map<std::string, Tensor> inputs{{"input_ids", token}, {"encoder_hidden_states", hidden}, {"use_cache_branch", use_cache}};
    for (const auto& [name, tensor] : cache) inputs[name] = tensor;
    const std::map<std::string, Tensor> outputs = outputs_by_name(decoder, session.run(inputs));
    for (auto& [name, tensor] : cache) {
      if (first || name.find(".decoder.") != std::string::npos) tensor = outputs.at(replaced(name, "past_key_values", "present"));
    }
    ids.push_back(last_best(outputs.at("logits")));
  }
  return ids;
}

// The same with the decoder's own caches tied, so that the session keeps them. The encoder's are kept from the first step.
std::vector<int64_t> transcribed_with_ties(const Model& decoder, const Tensor& hidden) {
  Session session(decoder);
  std::map<std::string, OwnedTensor> fixed;
  for (const std::string& name : past_inputs(decoder)) {
    if (name.find(".decoder.") != std::string::npos) {
      session.tie(replaced(name, "past_key_values", "present"), name);
    } else {
      fixed[name] = OwnedTensor(DType::f32, {1, 8, 0, 36});
    }
  }
  std::vector<int64_t> ids{1};
  OwnedTensor use_cache(DType::boolean, {1});
  while (ids.back() != 2 && ids.size() < 200) {
    const bool first = ids.size() == 1;
    *use_cache.as<bool>() = !first;
    const OwnedTensor token = integers({1, 1}, {ids.back()});
    std::map<std::string, Tensor> inputs{{"input_ids", token}, {"encoder_hidden_states", hidden}, {"use_cache_branch", use_cache}};
    for (const auto& [name, tensor] : fixed) inputs[name] = tensor;
    const std::map<std::string, Tensor> outputs = outputs_by_name(decoder, session.run(inputs));
    for (auto& [name, tensor] : fixed) {
      if (first) tensor = outputs.at(replaced(name, "past_key_values", "present"));
    }
    ids.push_back(last_best(outputs.at("logits")));
  }
  return ids;
}

TEST(Moonshine, transcribes_as_stored) {
  TENON_NEEDS_SHARED();
  Engine encoder(kEncoder);
  const Model decoder = Model::load(shared(std::string("models/") + kDecoder));
  const Vocabulary vocabulary(shared("models/moonshine_tiny/llama2_tokenizer.bin"));
  const nlohmann::json stored = load_json(shared("models/moonshine_tiny/reference_transcripts.json"));
  std::string figures;
  for (const auto& [name, truth] : kTruth) {
    const std::vector<int64_t> ids = transcribed(decoder, encoded(encoder, name));
    const std::string text = vocabulary.text(ids);
    EXPECT_EQ(ids, stored.at(name).at("ids").get<std::vector<int64_t>>()) << name;
    EXPECT_EQ(text, stored.at(name).at("text").get<std::string>()) << name;
    const int64_t errors = distance(words(text), words(truth));
    EXPECT_EQ(errors, answers("moonshine_tiny").at(name).at("word_errors").get<int64_t>()) << name;
    figures += std::to_string(errors) + " of " + std::to_string(words(truth).size()) + " words wrong; ";
  }
  report("moonshine_tiny", figures);
}

// Of runs of one session: what each may do.
void expect_only_appends(const Session::Counters& before, const Session::Counters& after) {
  EXPECT_GT(after.runs, before.runs);
  EXPECT_EQ(after.plans, before.plans);
  EXPECT_EQ(after.state_bytes_copied, before.state_bytes_copied);
  // Memory for what else has the length of the past grows by half each time.
  EXPECT_LE(after.allocations - before.allocations, 24);
}

TEST(Moonshine, a_step_plans_nothing_and_copies_no_cache) {
  TENON_NEEDS_SHARED();
  Engine encoder(kEncoder);
  const Model decoder = Model::load(shared(std::string("models/") + kDecoder));
  EXPECT_EQ(decoder.ties().size(), 12u);
  const OwnedTensor hidden = encoded(encoder, "jfk_16k.wav");
  Session session(decoder);
  session.tie();
  session.reserve_state(100);
  std::map<std::string, OwnedTensor> fixed;
  for (const std::string& name : past_inputs(decoder))
    if (name.find(".decoder.") == std::string::npos) fixed[name] = OwnedTensor(DType::f32, {1, 8, 0, 36});
  OwnedTensor use_cache(DType::boolean, {1}), token = integers({1, 1}, {1});
  const auto bind = [&] {
    session.bind_input("input_ids", token);
    session.bind_input("encoder_hidden_states", hidden);
    session.bind_input("use_cache_branch", use_cache);
    for (const auto& [name, tensor] : fixed) session.bind_input(name, tensor);
  };
  *use_cache.as<bool>() = false;
  bind();
  session.run();
  const std::map<std::string, Tensor> outputs = outputs_by_name(decoder, session.outputs());
  *token.as<int64_t>() = last_best(outputs.at("logits"));
  for (auto& [name, tensor] : fixed) tensor = outputs.at(replaced(name, "past_key_values", "present"));
  *use_cache.as<bool>() = true;
  bind();
  std::vector<int64_t> ids{1, *token.as<int64_t>()};
  Session::Counters before;
  while (ids.back() != 2 && ids.size() < 100) {
    session.run();
    // The first steps see which sizes change, and that lists of what these change are made.
    if (ids.size() == 4) before = session.counters();
    ids.push_back(*token.as<int64_t>() = last_best(session.outputs()[0]));
  }
  EXPECT_EQ(ids, load_json(shared("models/moonshine_tiny/reference_transcripts.json")).at("jfk_16k.wav").at("ids").get<std::vector<int64_t>>());
  expect_only_appends(before, session.counters());
}

TEST(Moonshine, transcribes_with_the_caches_tied) {
  TENON_NEEDS_SHARED();
  Engine encoder(kEncoder);
  const Model decoder = Model::load(shared(std::string("models/") + kDecoder));
  const nlohmann::json stored = load_json(shared("models/moonshine_tiny/reference_transcripts.json"));
  for (const auto& [name, truth] : kTruth) {
    EXPECT_EQ(transcribed_with_ties(decoder, encoded(encoder, name)), stored.at(name).at("ids").get<std::vector<int64_t>>()) << name;
  }
}

std::vector<int64_t> llama_stored() {
  return load_json(shared("models/llama_kv_260k/reference_greedy.json")).at("greedy_ids").get<std::vector<int64_t>>();
}

int64_t equal_ids(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  int64_t count = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) count += a[i] == b[i];
  return count;
}

TEST(Llama, writes_as_stored_with_the_cache_handed_on) {
  TENON_NEEDS_SHARED();
  Engine engine(kLlama);
  const std::vector<int64_t> stored = llama_stored();
  std::map<std::string, OwnedTensor> cache;
  for (const std::string& name : past_inputs(engine.model())) cache[name] = OwnedTensor(DType::f32, {1, 4, 0, 8});
  std::vector<int64_t> ids{stored[0]};
  while (ids.size() < stored.size()) {
    const OwnedTensor token = integers({1, 1}, {ids.back()});
    std::map<std::string, Tensor> inputs{{"input_ids", token}};
    for (const auto& [name, tensor] : cache) inputs[name] = tensor;
    const std::map<std::string, Tensor> outputs = outputs_by_name(engine.model(), engine.session().run(inputs));
    for (auto& [name, tensor] : cache) tensor = outputs.at(replaced(name, "past_key_values", "present"));
    ids.push_back(last_best(outputs.at("logits")));
  }
  report("llama_kv_260k", std::to_string(equal_ids(ids, stored)) + " of " + std::to_string(stored.size()) + " ids as stored");
  EXPECT_EQ(ids, stored);
}

TEST(Llama, writes_as_stored_with_the_cache_tied) {
  TENON_NEEDS_SHARED();
  Engine engine(kLlama);
  const std::vector<int64_t> stored = llama_stored();
  for (const std::string& name : past_inputs(engine.model())) engine.session().tie(replaced(name, "past_key_values", "present"), name);
  std::vector<int64_t> ids{stored[0]};
  while (ids.size() < stored.size()) {
    const OwnedTensor token = integers({1, 1}, {ids.back()});
    ids.push_back(last_best(engine.session().run({{"input_ids", token}})[0]));
  }
  EXPECT_EQ(ids, stored);
  engine.session().reset_state();
  const OwnedTensor token = integers({1, 1}, {stored[0]});
  EXPECT_EQ(last_best(engine.session().run({{"input_ids", token}})[0]), stored[1]);
}

TEST(Llama, a_step_plans_nothing_and_copies_no_cache) {
  TENON_NEEDS_SHARED();
  Engine engine(kLlama);
  Session& session = engine.session();
  EXPECT_EQ(engine.model().ties().size(), 10u);
  session.tie();
  const std::vector<int64_t> stored = llama_stored();
  session.reserve_state(static_cast<int64_t>(stored.size()));
  OwnedTensor token = integers({1, 1}, {stored[0]});
  session.bind_input("input_ids", token);
  std::vector<int64_t> ids{stored[0]};
  Session::Counters before;
  while (ids.size() < stored.size()) {
    session.run();
    if (ids.size() == 3) before = session.counters();
    ids.push_back(*token.as<int64_t>() = last_best(session.outputs()[0]));
  }
  EXPECT_EQ(ids, stored);
  expect_only_appends(before, session.counters());
}

TEST(Llama, reads_all_ids_at_once_as_one_by_one) {
  TENON_NEEDS_SHARED();
  Engine engine(kLlama);
  const std::vector<int64_t> stored = llama_stored();
  const OwnedTensor prompt = integers({1, static_cast<int64_t>(stored.size()) - 1}, {stored.begin(), stored.end() - 1});
  const OwnedTensor empty(DType::f32, {1, 4, 0, 8});
  std::map<std::string, Tensor> inputs{{"input_ids", prompt}};
  for (const std::string& name : past_inputs(engine.model())) inputs[name] = empty;
  EXPECT_EQ(best_rows(engine.session().run(inputs)[0]), std::vector<int64_t>(stored.begin() + 1, stored.end()));
}

}  // namespace
}  // namespace tenon::models
