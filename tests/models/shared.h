// What the tests of real models share: the folder they lie in, readers of its data, and a session with inputs by position.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "formats/media/image.h"
#include "tenon.h"

namespace tenon::models {

// A path in the folder that TENON_SHARED names, by default ../shared beside the repository.
std::string shared(const std::string& path);
bool has_shared();

// First in every test that reads the folder.
#define TENON_NEEDS_SHARED()          \
  if (!::tenon::models::has_shared()) \
  GTEST_SKIP() << "no models and data in " << ::tenon::models::shared("") << "; TENON_SHARED may name their folder"

// A file of the repository.
std::string source(const std::string& path);

std::string load_bytes(const std::string& path);  // gunzipped where the name ends in .gz
nlohmann::json load_json(const std::string& path);
std::vector<std::string> load_lines(const std::string& path);
std::vector<std::string> split(std::string_view line, char at);
const nlohmann::json& answers(const std::string& model);  // of answers.json

// An IDX file of unsigned bytes.
struct Idx {
  std::vector<int64_t> shape;
  std::string bytes;
  const uint8_t* item(int64_t i) const;  // the i-th along the first axis
};
Idx load_idx(const std::string& path);

// Output i of splitmix64 started at `seed`.
uint64_t splitmix(uint64_t seed, uint64_t i);
// Uniform in [-1, 1) from output i of splitmix64 started at 1.
float noise(uint64_t i);

OwnedTensor floats(std::vector<int64_t> shape, const std::vector<float>& values);
OwnedTensor integers(std::vector<int64_t> shape, const std::vector<int64_t>& values);
OwnedTensor half(const Tensor& f32);
std::vector<float> to_floats(const Tensor& tensor);  // f32 or f16

int64_t best(const float* values, int64_t count);   // the first of the largest
std::vector<int64_t> best_rows(const Tensor& f32);  // the best of each line of the last axis

// Levenshtein distance.
template <class Sequence>
int64_t distance(const Sequence& a, const Sequence& b) {
  std::vector<int64_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = static_cast<int64_t>(j);
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t diagonal = row[0];
    row[0] = static_cast<int64_t>(i) + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const int64_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] != b[j])});
      diagonal = above;
    }
  }
  return row.back();
}

std::u32string code_points(const std::string& utf8);
// Letters, digits and Chinese characters, capitals made small.
std::u32string plain_letters(const std::string& utf8);
// Repeats merged, blanks (0) dropped.
std::string ctc(const std::vector<int64_t>& ids, const std::vector<std::string>& letters);

using Box = std::vector<double>;             // x0, y0, x1, y1
double overlap(const Box& a, const Box& b);  // intersection over union

struct Found {
  double score;
  int64_t kind;
  Box box;
};
// The best first, without those that overlap a better one of their kind by more than `limit`.
std::vector<Found> suppressed(std::vector<Found> found, double limit);

// A model and a session on it.
class Engine {
 public:
  explicit Engine(const std::string& model, const Options& options = {});
  // Inputs in the order of the model; the results are valid until the next run.
  std::vector<Tensor> run(std::initializer_list<Tensor> inputs);
  const Model& model() const { return model_; }
  Session& session() { return session_; }

 private:
  Model model_;
  Session session_;
};

// Prints what a test measured, whether it passes or not.
void report(const std::string& model, const std::string& figures);

}  // namespace tenon::models
