// What the tests of sealed models share: a model with weights of several kinds, sealed in a folder of its own.
#pragma once

#include <cmath>
#include <random>

#include "formats/onnx/split.h"
#include "formats/onnx_models.h"
#include "formats/seal_common.h"
#include "tenon.h"

namespace tenon::trust {

inline std::string random_floats(size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(n * sizeof(float), '\0');
  for (size_t i = 0; i < n; ++i) {
    const float v = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 8000.f;
    std::memcpy(out.data() + i * sizeof v, &v, sizeof v);
  }
  return out;
}

// y = f(x: f32[1, 256], flag: bool[]): two products with large weights (raw and typed), small constants, a branch with weights on each
// side. `unused` megabytes of weights are read by nobody.
class BranchModel {
 public:
  explicit BranchModel(int unused = 0, unsigned seed0 = 0) {
    using namespace onnx;
    const auto keep = [this](std::string s) -> std::string_view { return *strings_.emplace_back(std::make_unique<std::string>(std::move(s))); };
    const auto raw = [&](std::string_view name, std::vector<int64_t> dims, unsigned seed) {
      size_t n = 1;
      for (int64_t d : dims) n *= static_cast<size_t>(d);
      return raw_tensor(name, DType::f32, dims, keep(random_floats(n, seed0 + seed)));
    };
    onnx::Model m;
    m.ir_version = 8;
    m.opsets.push_back({.domain = "", .version = 17});
    GraphView& g = m.graph;
    g.name = "branches";
    g.inputs.push_back({.name = "x", .type = tensor_type(DType::f32, {1, 256})});
    g.inputs.push_back({.name = "flag", .type = tensor_type(DType::boolean, {})});
    g.outputs.push_back({.name = "y", .type = tensor_type(DType::f32, {1, 256})});
    for (int i = 0; i < unused; ++i) g.initializers.push_back(raw(keep("unused" + std::to_string(i)), {1024, 256}, 100 + static_cast<unsigned>(i)));
    g.initializers.push_back(raw("w1", {256, 1024}, 1));
    g.initializers.emplace_back().message = keep(onnx::number(1, 1024) + onnx::number(1, 256) + onnx::number(2, 1) + onnx::bytes(8, "w2") +
                                                 onnx::bytes(4, random_floats(1024 * 256, seed0 + 2)));
    g.initializers.push_back(raw("b", {256}, 3));
    NodeView scale = node("Constant", {}, {"scale"});
    AttributeView& value = scale.attributes.emplace_back();
    value.name = "value", value.type = AttributeView::kTensor;
    value.tensors.push_back(raw("", {256}, 4));
    GraphView yes, no;
    yes.name = "yes", no.name = "no";
    yes.initializers.push_back(raw("w3", {256, 256}, 5));
    no.initializers.push_back(raw("w4", {256, 256}, 6));
    yes.nodes.push_back(node("MatMul", {"s", "w3"}, {"yes_y"}));
    no.nodes.push_back(node("MatMul", {"s", "w4"}, {"no_y"}));
    yes.outputs.push_back({.name = "yes_y", .type = tensor_type(DType::f32, {1, 256})});
    no.outputs.push_back({.name = "no_y", .type = tensor_type(DType::f32, {1, 256})});
    NodeView branch = node("If", {"flag"}, {"y"});
    branch.attributes.push_back(graph_attribute("then_branch", yes));
    branch.attributes.push_back(graph_attribute("else_branch", no));
    g.nodes = {scale,
               node("MatMul", {"x", "w1"}, {"h"}),
               node("Relu", {"h"}, {"r"}),
               node("MatMul", {"r", "w2"}, {"p"}),
               node("Add", {"p", "b"}, {"q"}),
               node("Mul", {"q", "scale"}, {"s"}),
               branch};
    bytes_ = write_model(m);
  }
  ~BranchModel() {
    for (auto& s : strings_) explicit_bzero(s->data(), s->size());
    explicit_bzero(bytes_.data(), bytes_.size());
  }
  BranchModel(const BranchModel&) = delete;
  const std::string& bytes() const { return bytes_; }

 private:
  std::vector<std::unique_ptr<std::string>> strings_;
  std::string bytes_;
};

// Seals an ONNX model with the raw key secret(0), as `tenon seal` does.
inline void seal_model(const std::string& onnx, const std::string& path, const std::optional<std::string>& policy = {},
                       std::vector<uint8_t> signers = {}, int segment_log2 = 16, const std::string& folder = "") {
  const onnx::SplitModel s = onnx::split(make_view_source(onnx.data(), static_cast<int64_t>(onnx.size())), folder);
  seal::SealInput input{.model = seal::ascii(s.model), .policy = policy, .metadata = R"({"title":"a test"})", .blobs = {}, .read = {}};
  for (const onnx::SplitBlob& b : s.blobs) input.blobs.push_back(static_cast<uint64_t>(b.bytes));
  input.read = [&](size_t blob, uint64_t offset, std::span<uint8_t> to) {
    s.blobs[blob].read(static_cast<int64_t>(offset), static_cast<int64_t>(to.size()), to.data());
  };
  seal::SealOptions options;
  options.slots.push_back(seal::NewSlot::raw(seal::secret(0)));
  for (uint8_t signer : signers) options.signers.push_back(seal::secret(signer));
  options.segment_log2 = segment_log2;
  seal::seal(path, input, options);
}

inline Options with_key(uint8_t first = 0) {
  static std::map<uint8_t, std::array<uint8_t, 32>> keys;
  std::array<uint8_t, 32>& key = keys[first];
  for (size_t i = 0; i < 32; ++i) key[i] = static_cast<uint8_t>(first + i);
  Options o;
  o.sealed.keys = {key.data()};
  o.threads = 2;
  return o;
}

// The inputs of BranchModel, and its output as bytes.
struct BranchInputs {
  OwnedTensor x{DType::f32, {1, 256}}, flag{DType::boolean, {}};
  explicit BranchInputs(bool yes = true) {
    for (int i = 0; i < 256; ++i) x.as<float>()[i] = std::sin(static_cast<float>(i));
    *flag.as<uint8_t>() = yes;
  }
  std::map<std::string, Tensor> named() const { return {{"x", x.view()}, {"flag", flag.view()}}; }
};

inline std::string answer(Session& session, bool yes = true) {
  const BranchInputs in(yes);
  const Tensor y = session.run(in.named()).at(0);
  return {y.as<char>(), static_cast<size_t>(y.bytes())};
}
inline std::string answer(const Model& model, bool yes = true) {
  Session session(model);
  return answer(session, yes);
}

}  // namespace tenon::trust
