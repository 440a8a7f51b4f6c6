// What the models of sound are worth. README.md states preparations and metrics, answers.json the figures of ONNX Runtime.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/media/wav.h"
#include "formats/numpy/npz.h"
#include "models/shared.h"

namespace tenon::models {
namespace {

std::vector<float> sound(const std::string& name) { return media::mono(media::load_wav(shared("data/audio/" + name))); }

// Chunks from the first chance of 0.5 until the chances stay under 0.5 for 4 chunks from one under 0.35 on; shorter than 8: dropped.
std::vector<std::vector<int64_t>> segments_of(const std::vector<float>& chances) {
  std::vector<std::vector<int64_t>> out;
  const auto end = static_cast<int64_t>(chances.size());
  const auto add = [&](int64_t first, int64_t last) {
    if (last - first >= 8) out.push_back({first, last});
  };
  int64_t begin = -1, quiet = -1;
  for (int64_t at = 0; at < end; ++at) {
    const float p = chances[static_cast<size_t>(at)];
    if (p >= 0.5f) {
      if (begin < 0) begin = at;
      quiet = -1;
    } else if (begin >= 0 && (p < 0.35f || quiet >= 0)) {
      if (quiet < 0) quiet = at;
      if (at - quiet >= 4) {
        add(begin, quiet);
        begin = quiet = -1;
      }
    }
  }
  if (begin >= 0) add(begin, end);
  return out;
}

void expect_silero(const std::string& model) {
  Engine engine("silero_vad/" + model + ".onnx");
  std::vector<float> samples = sound("speech_test_60s.wav");
  samples.insert(samples.begin(), 64, 0.0f);
  OwnedTensor rate = integers({}, {16000}), state = floats({2, 1, 128}, std::vector<float>(256));
  std::vector<float> chances;
  for (size_t at = 0; at + 576 <= samples.size(); at += 512) {
    const std::vector<Tensor> out = engine.session().run({{"input", {DType::f32, {1, 576}, samples.data() + at}}, {"state", state}, {"sr", rate}});
    ASSERT_EQ(out[1].count(), 256);
    chances.push_back(out[0].as<float>()[0]);
    std::copy_n(out[1].as<float>(), 256, state.as<float>());
  }
  const auto& expected = answers(model);
  const std::vector<std::vector<int64_t>> segments = segments_of(chances);
  const double mean = std::accumulate(chances.begin(), chances.end(), 0.0) / static_cast<double>(chances.size());
  report(model, std::to_string(segments.size()) + " segments, mean chance " + std::to_string(mean));
  EXPECT_EQ(chances.size(), expected.at("chunks").get<size_t>());
  EXPECT_NEAR(mean, expected.at("mean").get<double>(), 1e-4);
  ASSERT_EQ(segments.size(), expected.at("segments").size());
  for (size_t i = 0; i < segments.size(); ++i) {
    EXPECT_NEAR(segments[i][0], expected.at("segments")[i][0].get<int64_t>(), 1) << "segment " << i;
    EXPECT_NEAR(segments[i][1], expected.at("segments")[i][1].get<int64_t>(), 1) << "segment " << i;
  }
}

TEST(Silero, finds_speech) {
  TENON_NEEDS_SHARED();
  expect_silero("silero_vad");
}

TEST(Silero, finds_speech_without_branches) {
  TENON_NEEDS_SHARED();
  expect_silero("silero_vad_op18_ifless");
}

TEST(WakeWord, is_in_no_file) {
  TENON_NEEDS_SHARED();
  Engine mel("openwakeword/melspectrogram.onnx"), embed("openwakeword/embedding_model.onnx"), score("openwakeword/hello_deepa.onnx");
  std::string figures;
  for (const auto& [name, expected] : answers("openwakeword").items()) {
    std::vector<float> samples = sound(name);
    for (float& s : samples) s *= 32768;
    std::vector<float> frames = to_floats(mel.run({floats({1, static_cast<int64_t>(samples.size())}, samples)})[0]);
    for (float& f : frames) f = f / 10 + 2;
    const int64_t count = static_cast<int64_t>(frames.size()) / 32;
    std::vector<float> vectors;
    for (int64_t at = 0; at + 76 <= count; at += 8) {
      const std::vector<float> vector = to_floats(embed.run({{DType::f32, {1, 76, 32, 1}, frames.data() + at * 32}})[0]);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    const int64_t embeddings = static_cast<int64_t>(vectors.size()) / 96;
    float highest = 0;
    for (int64_t at = 0; at + 25 <= embeddings; ++at) {
      highest = std::max(highest, score.run({{DType::f32, {1, 25, 96}, vectors.data() + at * 96}})[0].as<float>()[0]);
    }
    EXPECT_EQ(count, expected.at("frames").get<int64_t>()) << name;
    EXPECT_EQ(embeddings, expected.at("embeddings").get<int64_t>()) << name;
    EXPECT_NEAR(highest, expected.at("highest").get<double>(), 1e-5) << name;
    EXPECT_NEAR(std::accumulate(vectors.begin(), vectors.end(), 0.0) / static_cast<double>(vectors.size()), expected.at("vector_mean").get<double>(),
                1e-3)
        << name;
    figures += std::to_string(highest) + " ";
  }
  report("openwakeword", "highest scores " + figures);
}

TEST(Dnsmos, rates_speech_and_noise) {
  TENON_NEEDS_SHARED();
  Engine engine("dnsmos/sig_bak_ovr.onnx");
  constexpr int64_t kLength = 144160;
  double apart = 0;
  for (const auto& [name, expected] : answers("dnsmos").items()) {
    std::vector<float> clean = sound(name);
    clean.resize(kLength);
    std::vector<float> noisy = clean;
    for (size_t i = 0; i < noisy.size(); ++i) noisy[i] += static_cast<float>(0.1 * static_cast<double>(noise(i)));
    for (auto& [kind, samples] : {std::pair{"clean", &clean}, std::pair{"noisy", &noisy}}) {
      const std::vector<float> marks = to_floats(engine.run({{DType::f32, {1, kLength}, samples->data()}})[0]);
      ASSERT_EQ(marks.size(), 3u);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(marks[i], expected.at(kind)[i].get<double>(), 1e-3) << name << ", " << kind << ", mark " << i;
        apart = std::max(apart, std::abs(marks[i] - expected.at(kind)[i].get<double>()));
      }
    }
  }
  report("dnsmos", "marks differ by at most " + std::to_string(apart));
}

// Every second sample after a low pass of 127 taps.
std::vector<float> halved(const std::vector<float>& samples) {
  constexpr int64_t kReach = 63;
  std::vector<double> taps;
  for (int64_t k = -kReach; k <= kReach; ++k) {
    const double x = std::numbers::pi * static_cast<double>(k) / 2;
    taps.push_back((k ? std::sin(x) / x : 1) / 2 * (0.5 + 0.5 * std::cos(std::numbers::pi * static_cast<double>(k) / (kReach + 1))));
  }
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<float> out;
  for (int64_t at = 0; at < count; at += 2) {
    double sum = 0;
    for (int64_t k = std::max(-kReach, -at); k <= std::min(kReach, count - 1 - at); ++k) {
      sum += taps[static_cast<size_t>(k + kReach)] * static_cast<double>(samples[static_cast<size_t>(at + k)]);
    }
    out.push_back(static_cast<float>(sum));
  }
  return out;
}

TEST(BasicPitch, finds_the_notes_of_a_song) {
  TENON_NEEDS_SHARED();
  Engine engine("basic_pitch/nmp.onnx");
  constexpr size_t kWindow = 43844, kHop = kWindow - 30 * 256, kAhead = 15 * 256;
  std::vector<float> samples = halved(sound("vocadito_10.wav"));
  samples.insert(samples.begin(), kAhead, 0.0f);
  // Outputs in the order of the model: onsets, notes, contours; 15 frames are cut at both ends of each window.
  std::vector<std::vector<float>> values(3);
  for (size_t at = 0; at < samples.size(); at += kHop) {
    std::vector<float> window(samples.begin() + static_cast<int64_t>(at),
                              samples.begin() + static_cast<int64_t>(std::min(at + kWindow, samples.size())));
    window.resize(kWindow);
    const std::vector<Tensor> out = engine.run({{DType::f32, {1, static_cast<int64_t>(kWindow), 1}, window.data()}});
    ASSERT_EQ(out.size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      const int64_t frames = out[i].shape[1], bins = out[i].shape[2];
      values[i].insert(values[i].end(), out[i].as<float>() + 15 * bins, out[i].as<float>() + (frames - 15) * bins);
    }
  }
  const std::map<std::string, size_t> place{{"onset", 0}, {"note", 1}, {"contour", 2}};
  std::string figures;
  for (const auto& [name, stored] : numpy::load_npz(shared("data/audio/vocadito_10_model_output.npz"))) {
    const std::vector<float>& own = values[place.at(name)];
    const std::vector<float> truth = to_floats(stored);
    ASSERT_GE(own.size(), truth.size()) << name;
    double gap = 0;
    int64_t agree = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
      gap += std::abs(static_cast<double>(own[i]) - static_cast<double>(truth[i]));
      agree += (own[i] > 0.3f) == (truth[i] > 0.3f);
    }
    const auto count = static_cast<double>(truth.size());
    EXPECT_LE(gap / count, 1e-4) << name;
    EXPECT_GE(static_cast<double>(agree) / count, 0.999) << name;
    figures += name + " differs by " + std::to_string(gap / count) + " ";
  }
  report("basic_pitch", figures);
}

}  // namespace
}  // namespace tenon::models
