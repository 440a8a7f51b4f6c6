// Every model of the shared folder against what ONNX Runtime answered: references/*.json, whose rules README.md states.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "formats/media/wav.h"
#include "formats/numpy/npz.h"
#include "models/shared.h"

namespace tenon::models {
namespace {

using nlohmann::json;
using Outputs = std::map<std::string, OwnedTensor>;

OwnedTensor array_of(const std::string& path, const std::string& array) {
  for (auto& [name, tensor] : numpy::load_npz(path)) {
    if (name == array) return std::move(tensor);
  }
  throw std::runtime_error(path + " has no array " + array);
}

void set(OwnedTensor& dst, int64_t i, double value) {
  if (is_real(dst.dtype())) {
    store_cell(dst.dtype(), dst.data(), i, {.real = value});
  } else {
    store_cell(dst.dtype(), dst.data(), i, {.integer = static_cast<int64_t>(value)});
  }
}

void fill_random(const json& rule, OwnedTensor& dst) {
  const uint64_t seed = rule.at("random");
  const double low = rule.at("low"), high = rule.at("high");
  const json columns = rule.value("columns", json::array({1}));
  for (int64_t i = 0; i < dst.count(); ++i) {
    const uint64_t z = splitmix(seed, static_cast<uint64_t>(i));
    if (is_real(dst.dtype())) {
      const double u = static_cast<double>(z >> 40) * 0x1p-24;
      set(dst, i, static_cast<float>(low + (high - low) * u) * columns[static_cast<size_t>(i) % columns.size()].get<float>());
    } else {
      set(dst, i, low + static_cast<double>(z % static_cast<uint64_t>(high - low + 1)));
    }
  }
}

// [count, channels, height, width] of exact values.
OwnedTensor picture_set(const std::string& name) {
  if (name == "digits") return array_of(source("bench/zoo/digits/digits_test.npz"), "image");
  const std::string records = load_bytes(shared("data/cifar10/cifar10_100.bin"));
  constexpr int64_t kRecord = 3073;
  OwnedTensor out(DType::f32, {static_cast<int64_t>(records.size()) / kRecord, 3, 32, 32});
  for (int64_t i = 0; i < out.count(); ++i) out.as<float>()[i] = static_cast<uint8_t>(records[i / (kRecord - 1) * kRecord + 1 + i % (kRecord - 1)]);
  return out;
}

void fill_mosaic(const json& rule, OwnedTensor& dst) {
  const OwnedTensor pictures = picture_set(rule.at("pictures"));
  const auto& from = pictures.shape();
  const auto& to = dst.shape();
  const int64_t cell_h = rule.at("pitch")[0], cell_w = rule.at("pitch")[1], repeat = rule.at("repeat"), first = rule.at("first");
  const int64_t rows = (to[2] + cell_h - 1) / cell_h, columns = (to[3] + cell_w - 1) / cell_w;
  const float factor = rule.at("factor"), offset = rule.at("offset");
  for (int64_t i = 0; i < dst.count(); ++i) {
    const int64_t w = i % to[3], h = i / to[3] % to[2], c = i / (to[3] * to[2]) % to[1], n = i / (to[3] * to[2] * to[1]);
    const int64_t picture = (first + (n * rows + h / cell_h) * columns + w / cell_w) % from[0];
    const int64_t y = h % cell_h / repeat, x = w % cell_w / repeat;
    float value = 0;
    if (y < from[2] && x < from[3]) value = pictures.as<float>()[((picture * from[1] + std::min(c, from[1] - 1)) * from[2] + y) * from[3] + x];
    set(dst, i, value * factor + offset);
  }
}

OwnedTensor made(const json& rule, const std::vector<Outputs>& history) {
  if (rule.contains("from")) return history.at(rule.value("step", history.size() - 1)).at(rule.at("from")).view();
  if (rule.contains("npz")) return array_of(shared(rule.at("npz")), rule.at("array"));
  OwnedTensor out(dtype_named(rule.at("dtype").get<std::string>()), rule.at("shape"));
  if (rule.contains("random")) {
    fill_random(rule, out);
  } else if (rule.contains("pictures")) {
    fill_mosaic(rule, out);
  } else if (rule.contains("wav")) {
    const media::Sound sound = media::load_wav(shared(rule.at("wav")));
    const int64_t begin = rule.at("begin");
    for (int64_t i = 0; i < out.count(); ++i) out.as<float>()[i] = sound.samples.at(begin + i) * 32768 * rule.at("factor").get<float>();
  } else {
    for (int64_t i = 0; i < out.count(); ++i) {
      const json& value = rule.contains("fill") ? rule.at("fill") : rule.at("values").at(i);
      set(out, i, value.is_boolean() ? value.get<bool>() : value.get<double>());
    }
  }
  return out;
}

std::string fnv1a(const Tensor& tensor) {
  uint64_t h = 0xcbf29ce484222325u;
  for (int64_t i = 0; i < tensor.bytes(); ++i) h = (h ^ tensor.as<uint8_t>()[i]) * 0x100000001b3u;
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(h));
  return text;
}

struct Difference {
  double largest = 0, mean = 0;  // parts of the range
  void join(const Difference& other) {
    largest = std::max(largest, other.largest);
    mean = std::max(mean, other.mean);
  }
};

// Of a real tensor with elements. NaN and infinity differ by infinity.
Difference difference(const Tensor& tensor, const json& digest) {
  const int64_t count = tensor.count();
  const double range = digest.at("range");
  double low = INFINITY, high = -INFINITY, sum = 0, sum_abs = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = load_cell(tensor.dtype, tensor.data, i).real;
    if (!std::isfinite(value)) return {INFINITY, INFINITY};
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
    sum_abs += std::abs(value);
  }
  const auto gap = [&](const char* what, double value) { return std::abs(value - digest.at(what).get<double>()) / range; };
  Difference out{std::max(gap("min", low), gap("max", high)),
                 std::max(gap("mean", sum / static_cast<double>(count)), gap("mean_abs", sum_abs / static_cast<double>(count)))};
  const json& samples = digest.at("samples");
  double total = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const bool all = samples.size() == static_cast<size_t>(count);
    const auto at = static_cast<int64_t>(all ? i : splitmix(static_cast<uint64_t>(count), i) % static_cast<uint64_t>(count));
    const double apart = std::abs(load_cell(tensor.dtype, tensor.data, at).real - samples[i].get<double>()) / range;
    out.largest = std::max(out.largest, apart);
    total += apart;
  }
  out.mean = std::max(out.mean, total / static_cast<double>(samples.size()));
  return out;
}

// One file of references, run on a fresh session a case.
class References : public testing::TestWithParam<std::string> {
 protected:
  Difference compare(const std::map<std::string, OwnedTensor>& outputs, const json& digests) {
    Difference worst;
    for (const auto& [name, digest] : digests.items()) {
      SCOPED_TRACE("output " + name);
      const auto found = outputs.find(name);
      if (found == outputs.end()) {
        ADD_FAILURE() << "there is no such output";
        continue;
      }
      const Tensor& tensor = found->second;
      EXPECT_EQ(tenon::name(tensor.dtype), digest.at("dtype").get<std::string>());
      EXPECT_EQ(tensor.shape, digest.at("shape").get<std::vector<int64_t>>());
      if (digest.contains("fnv1a")) { EXPECT_EQ(fnv1a(tensor), digest.at("fnv1a").get<std::string>()); }
      if (!digest.contains("samples") || testing::Test::HasFailure()) continue;
      const Difference d = difference(tensor, digest);
      EXPECT_LE(d.largest, file_.at("tolerance").get<double>());
      EXPECT_LE(d.mean, file_.at("mean_tolerance").get<double>());
      worst.join(d);
    }
    return worst;
  }

  Difference run(const Model& model, const json& steps) {
    Session session(model);
    std::vector<Outputs> history;
    Difference worst;
    for (const json& step : steps) {
      SCOPED_TRACE("step " + std::to_string(history.size()));
      std::map<std::string, OwnedTensor> made_inputs;
      std::map<std::string, Tensor> inputs;
      for (const auto& [name, rule] : step.at("inputs").items()) inputs[name] = made_inputs[name] = made(rule, history);
      const std::vector<Tensor> results = session.run(inputs);
      Outputs outputs;
      for (size_t i = 0; i < results.size(); ++i) outputs[model.outputs()[i].name] = results[i];
      worst.join(compare(outputs, step.at("outputs")));
      if (HasFailure()) break;
      history.push_back(std::move(outputs));
    }
    return worst;
  }

  json file_;
};

TEST_P(References, agree) {
  TENON_NEEDS_SHARED();
  file_ = load_json(source("tests/models/references/" + GetParam() + ".json"));
  const Model model = Model::load(shared("models/" + file_.at("model").get<std::string>()));
  Difference worst;
  for (const json& one : file_.at("cases")) {
    SCOPED_TRACE(one.at("name").get<std::string>());
    worst.join(run(model, one.at("steps")));
  }
  char line[120];
  std::snprintf(line, sizeof line, "largest %.1e mean %.1e of the range (allowed %.0e, %.0e)", worst.largest, worst.mean,
                file_.at("tolerance").get<double>(), file_.at("mean_tolerance").get<double>());
  report(GetParam(), line);
}

std::vector<std::string> files() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(source("tests/models/references"))) out.push_back(entry.path().stem());
  std::sort(out.begin(), out.end());
  return out;
}

INSTANTIATE_TEST_SUITE_P(Models, References, testing::ValuesIn(files()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tenon::models
