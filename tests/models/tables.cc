// What the models of tables, bytes and points are worth. README.md states preparations and metrics, answers.json the figures of ONNX Runtime.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/shared.h"

namespace tenon::models {
namespace {

std::string decode_base64(const std::string& text) {
  static const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kDigits.find(c));
    held += 6;
    if (held >= 8) out += static_cast<char>(bits >> (held -= 8));
  }
  return out;
}

// The first 1024 of the first 4096 bytes after white space, the last 1024 of the last 4096 before white space; 256 fills up.
OwnedTensor magika_features(const std::string& content) {
  constexpr size_t kBlock = 4096;
  constexpr int64_t kPart = 1024;
  const std::string white = " \t\n\r\v\f";
  std::string head = content.substr(0, kBlock), tail = content.size() > kBlock ? content.substr(content.size() - kBlock) : content;
  head.erase(0, std::min(head.find_first_not_of(white), head.size()));
  tail.erase(tail.find_last_not_of(white) + 1);
  OwnedTensor out(DType::s32, {1, 2 * kPart});
  int32_t* dst = out.as<int32_t>();
  std::fill_n(dst, 2 * kPart, 256);
  const auto first = std::min<int64_t>(kPart, static_cast<int64_t>(head.size())), last = std::min<int64_t>(kPart, static_cast<int64_t>(tail.size()));
  for (int64_t i = 0; i < first; ++i) dst[i] = static_cast<uint8_t>(head[static_cast<size_t>(i)]);
  for (int64_t i = 1; i <= last; ++i) dst[2 * kPart - i] = static_cast<uint8_t>(tail[tail.size() - static_cast<size_t>(i)]);
  return out;
}

// Of a short file nearly all rows of a normalisation are the same padding, so that its variance, the mean of squares less the square of the
// mean, cancels: there any two engines differ, ONNX Runtime from float64 by up to 3.3e-3. A score is right that is within 1e-4 of float64,
// or nearer to it than the model's own answer, which is ONNX Runtime's.
TEST(Magika, names_file_types) {
  TENON_NEEDS_SHARED();
  Engine engine("magika_v3_3/model.onnx");
  const std::vector<std::string> labels = load_json(shared("models/magika_v3_3/config.min.json")).at("target_labels_space");
  const std::vector<double> exact = answers("magika_v3_3").at("scores_in_float64");
  size_t count = 0, right = 0, near = 0, nearer = 0;
  for (const auto& example : load_json(shared("data/magika/standard_v3_3-inference_examples_by_content.json.gz"))) {
    const auto& truth = example.at("prediction");
    if (example.at("prediction_mode") != "best_guess" || truth.at("dl") == "undefined") continue;
    ASSERT_LT(count, exact.size());
    const Tensor chances = engine.run({magika_features(decode_base64(example.at("content_base64")))})[0];
    const int64_t top = best(chances.as<float>(), chances.count());
    right += labels.at(static_cast<size_t>(top)) == truth.at("dl");
    const double gap = std::abs(chances.as<float>()[top] - exact[count]);
    const double stored_gap = std::abs(truth.at("score").get<double>() - exact[count]);
    near += gap < 1e-4;
    nearer += gap <= stored_gap;
    EXPECT_TRUE(gap < 1e-4 || gap <= stored_gap) << "example " << count << ": " << gap << " from float64, the stored answer " << stored_gap;
    ++count;
  }
  report("magika_v3_3", std::to_string(right) + " labels of " + std::to_string(count) + " right, " + std::to_string(near) +
                            " scores within 1e-4 of float64, " + std::to_string(nearer) + " as near as the stored answer");
  EXPECT_EQ(count, exact.size());
  EXPECT_EQ(right, count);
}

TEST(Ncf, recommends_the_item_held_out) {
  TENON_NEEDS_SHARED();
  Engine engine("ncf_ml1m/ncf.onnx");
  constexpr size_t kUsers = 600;
  const std::vector<std::string> lines = load_lines(shared("data/movielens_1m_ncf/test.negative"));
  ASSERT_GE(lines.size(), kUsers);
  OwnedTensor user(DType::s64, {1, 1}), item(DType::s64, {1, 1});
  const auto score = [&](int64_t i) {
    *item.as<int64_t>() = i;
    return *engine.run({user, item})[0].as<float>();
  };
  int64_t hits = 0;
  double gain = 0;
  for (size_t at = 0; at < kUsers; ++at) {
    const std::vector<std::string> fields = split(lines[at], '\t');
    const size_t comma = fields[0].find(',');  // "(user,item)"
    *user.as<int64_t>() = std::stoll(fields[0].substr(1, comma - 1));
    const float own = score(std::stoll(fields[0].substr(comma + 1)));
    int64_t rank = 0;
    for (size_t i = 1; i < fields.size(); ++i) rank += score(std::stoll(fields[i])) >= own;
    if (rank >= 10) continue;
    ++hits;
    gain += 1 / std::log2(static_cast<double>(rank) + 2);
  }
  report("ncf_ml1m", "HR@10 " + std::to_string(static_cast<double>(hits) / kUsers) + ", NDCG@10 " + std::to_string(gain / kUsers));
  EXPECT_NEAR(static_cast<double>(hits), answers("ncf_ml1m").at("hits_at_10").get<double>(), 1);  // some scores are equal but for the last bit
  EXPECT_NEAR(gain / kUsers, answers("ncf_ml1m").at("ndcg_at_10").get<double>(), 2e-3);
}

// Rows of the seven columns, standardised by the first 8640.
std::vector<double> etth1() {
  constexpr int64_t kColumns = 7, kTraining = 8640;
  std::vector<double> rows;
  const std::vector<std::string> lines = load_lines(shared("data/etth1/ETTh1.csv"));
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = split(lines[i], ',');
    for (size_t c = 1; c <= kColumns; ++c) rows.push_back(std::stod(fields.at(c)));
  }
  for (int64_t c = 0; c < kColumns; ++c) {
    double mean = 0, squares = 0;
    for (int64_t t = 0; t < kTraining; ++t) mean += rows[static_cast<size_t>(t * kColumns + c)] / kTraining;
    for (int64_t t = 0; t < kTraining; ++t) squares += std::pow(rows[static_cast<size_t>(t * kColumns + c)] - mean, 2) / kTraining;
    for (size_t i = static_cast<size_t>(c); i < rows.size(); i += kColumns) rows[i] = (rows[i] - mean) / std::sqrt(squares);
  }
  return rows;
}

TEST(TinyTimeMixer, forecasts) {
  TENON_NEEDS_SHARED();
  Engine engine("tiny_time_mixer/TinyTimeMixer.onnx");
  constexpr size_t kColumns = 7, kPast = 512, kAhead = 96;
  const std::vector<double> rows = etth1();
  OwnedTensor past(DType::f32, {1, kPast, kColumns});
  double squares = 0, gaps = 0;
  int64_t windows = 0, count = 0;
  for (size_t at = 11520; at < 14400 - kAhead; at += 29) {
    for (size_t i = 0; i < kPast * kColumns; ++i) past.as<float>()[i] = static_cast<float>(rows[(at - kPast) * kColumns + i]);
    const Tensor ahead = engine.run({past})[0];
    ASSERT_EQ(ahead.shape, (std::vector<int64_t>{1, kAhead, kColumns}));
    for (size_t i = 0; i < kAhead * kColumns; ++i) {
      const double gap = ahead.as<float>()[i] - rows[at * kColumns + i];
      squares += gap * gap;
      gaps += std::abs(gap);
      ++count;
    }
    ++windows;
  }
  const double mse = squares / static_cast<double>(count), mae = gaps / static_cast<double>(count);
  report("tiny_time_mixer", "MSE " + std::to_string(mse) + ", MAE " + std::to_string(mae));
  EXPECT_EQ(windows, answers("tiny_time_mixer").at("windows").get<int64_t>());
  EXPECT_NEAR(mse, answers("tiny_time_mixer").at("mse").get<double>(), 1e-4);
  EXPECT_NEAR(mae, answers("tiny_time_mixer").at("mae").get<double>(), 1e-4);
}

TEST(Cgan, reads_the_distance_it_draws) {
  TENON_NEEDS_SHARED();
  Engine engine("cgan/cGAN_imgSz32_nCh_3.onnx");
  OwnedTensor input(DType::f32, {1, 5});
  double sum = 0, largest = 0;
  for (uint64_t d = 0; d <= 100; ++d) {
    const double distance = static_cast<double>(d) / 100;
    input.as<float>()[0] = static_cast<float>(distance);
    for (uint64_t i = 0; i < 4; ++i) input.as<float>()[1 + i] = noise(4 * d + i);
    const double gap = std::abs(engine.run({input})[0].as<float>()[0] - distance);
    sum += gap;
    largest = std::max(largest, gap);
  }
  report("cgan", "mean gap " + std::to_string(sum / 101) + ", largest " + std::to_string(largest));
  EXPECT_NEAR(sum / 101, answers("cgan").at("mean_gap").get<double>(), 1e-4);
  EXPECT_NEAR(largest, answers("cgan").at("largest_gap").get<double>(), 1e-3);
}

}  // namespace
}  // namespace tenon::models
