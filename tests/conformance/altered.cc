// Every stored output of every case, altered in every way, one element at a time: the comparison that the case runner and
// `tenon run --case` use notices each. The sign of zero alone may differ.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "cli/cases.h"
#include "conformance/archive.h"
#include "formats/onnx/data.h"
#include "formats/onnx/model.h"
#include "models/shared.h"
#include "ops/op.h"

namespace tenon::conformance {
namespace {

namespace fs = std::filesystem;

// A number that no tolerance takes for `v`.
double another(double v) { return std::isfinite(v) && std::abs(v) < 1e30 ? 2 * v + (v < 0 ? -1 : 1) : 0; }

class Altered {
 public:
  explicit Altered(const Tensor& stored) : stored_(stored), copy_(stored) {}

  // One line for each change that goes unnoticed.
  std::vector<std::string> unnoticed() {
    if (!compare(copy_)) missed_.push_back("the output itself differs");
    shapes();
    const int64_t n = stored_.count() * (is_complex(stored_.dtype) ? 2 : 1);
    if (n == 0) return missed_;
    for (int64_t i : {int64_t{0}, n / 2, n - 1}) element(i);
    return missed_;
  }

 private:
  bool compare(const Tensor& got) const { return cli::compare_within(got, stored_).same; }

  void shapes() {
    std::vector<int64_t> longer = stored_.shape;
    longer.push_back(1);
    if (compare(OwnedTensor(stored_.dtype, longer))) missed_.push_back("another rank");
    if (compare(OwnedTensor(stored_.dtype == DType::f64 ? DType::f32 : DType::f64, stored_.shape))) missed_.push_back("another element type");
  }

  void element(int64_t i) {
    if (stored_.dtype == DType::string) {
      std::string& s = copy_.as<std::string>()[i];
      const std::string kept = s;
      s += "x";
      expect(i, "another string", false);
      s = kept;
      return;
    }
    const Cell kept = load_cell(stored_.dtype, copy_.data(), i);
    if (is_real(stored_.dtype) || is_complex(stored_.dtype)) real(i, kept.real);
    else whole(i, kept.integer);
    store_cell(stored_.dtype, copy_.data(), i, kept);
  }

  void real(int64_t i, double kept) {
    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    for (double v : {another(kept), infinity, -infinity, nan, 0.0, -0.0}) {
      store_cell(stored_.dtype, copy_.data(), i, Cell{.real = v});
      // What the type holds of it: types without infinity or NaN, or of few numbers, may give the number that was there.
      const double held = load_cell(stored_.dtype, copy_.data(), i).real;
      const double allowed = 1e-7 + (stored_.dtype == DType::bf16 ? 0x1p-6 : 1e-3) * std::abs(kept);
      const bool same = held == kept || (std::isnan(held) && std::isnan(kept)) || (std::isfinite(kept) && std::abs(held - kept) <= allowed);
      expect(i, std::to_string(held) + " for " + std::to_string(kept), same);
    }
  }

  void whole(int64_t i, int64_t kept) {
    for (uint64_t change : {uint64_t{1}, ~uint64_t{0}}) {
      store_cell(stored_.dtype, copy_.data(), i, Cell{.integer = static_cast<int64_t>(static_cast<uint64_t>(kept) + change)});
      const int64_t held = load_cell(stored_.dtype, copy_.data(), i).integer;
      expect(i, std::to_string(held) + " for " + std::to_string(kept), held == kept);
    }
  }

  void expect(int64_t i, const std::string& change, bool same) {
    if (compare(copy_) != same) missed_.push_back("element " + std::to_string(i) + ": " + change);
  }

  const Tensor& stored_;
  OwnedTensor copy_;
  std::vector<std::string> missed_;
};

OwnedTensor list_of(const std::vector<OwnedTensor>& items, size_t count) {
  std::vector<OwnedTensor> copies;
  for (size_t i = 0; i < count; ++i) copies.emplace_back(items[i].view());
  return OwnedTensor(items[0].dtype(), Container::sequence, std::move(copies));
}

TEST(AlteredOutputs, are_noticed) {
  NEEDS_CASES();
  int outputs = 0;
  for (const auto& kind : fs::directory_iterator(unpacked()))
    for (const auto& entry : fs::directory_iterator(kind)) {
      const fs::path set = entry.path() / "test_data_set_0";
      if (!fs::exists(entry.path() / "model.onnx") || !fs::exists(set)) continue;
      const std::string file = models::load_bytes((entry.path() / "model.onnx").string());
      const onnx::Model model = onnx::parse_model(file);
      for (size_t i = 0; i < model.graph.outputs.size(); ++i) {
        const fs::path stored = set / ("output_" + std::to_string(i) + ".pb");
        const auto type = model.graph.outputs[i].type.kind;
        if (!fs::exists(stored) || (type != onnx::TypeView::tensor && type != onnx::TypeView::sequence)) continue;
        const bool is_list = type == onnx::TypeView::sequence;
        const onnx::DataValue value = onnx::load_value(stored.string(), is_list ? Container::sequence : Container::tensor);
        ++outputs;
        for (const OwnedTensor& tensor : value.tensors)
          for (const std::string& what : Altered(tensor.view()).unnoticed()) ADD_FAILURE() << stored << ": " << what;
        if (!is_list || value.tensors.empty()) continue;
        const size_t all = value.tensors.size();
        const OwnedTensor whole = list_of(value.tensors, all), less = list_of(value.tensors, all - 1);
        EXPECT_TRUE(cli::compare_within(whole, whole).same) << stored;
        EXPECT_FALSE(cli::compare_within(less, whole).same) << stored << ": an item less";
      }
    }
  EXPECT_GT(outputs, 1900);
}

}  // namespace
}  // namespace tenon::conformance
