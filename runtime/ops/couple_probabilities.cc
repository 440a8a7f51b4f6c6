#include "ops/couple_probabilities.h"

#include <algorithm>
#include <cmath>

#include "ops/op.h"

namespace tenon {
namespace {

constexpr int64_t kMostClasses = 1 << 12;
constexpr int64_t kLeastIterations = 100;
constexpr double kTolerance = 0.005;  // LIBSVM's, divided by the number of classes

void infer(Inference& n) {
  const int64_t classes = n.attributes<CoupleProbabilities>().classes;
  n.expect_inputs(1, 1);
  n.expect_rank(0, 2);
  n.expect(is_real(n.dtype(0)), "pairwise probabilities are floating point");
  n.expect(classes >= 2 && classes <= kMostClasses, "couple_probabilities has 2 to 4096 classes");
  n.equal(n.size(0, 1), classes * (classes - 1) / 2, "pairwise probabilities and pairs of classes");
  n.result(n.dtype(0), {n.size(0, 0), classes});
}

// One row: `q` is the symmetric matrix of the quadratic form p' Q p, `p` what minimises it.
void minimise(const std::vector<double>& q, size_t classes, double* p) {
  std::fill_n(p, classes, 1.0 / static_cast<double>(classes));
  std::vector<double> slope(classes);  // Q p
  const auto most = std::max(kLeastIterations, static_cast<int64_t>(classes));
  for (int64_t step = 0; step < most; ++step) {
    for (size_t i = 0; i < classes; ++i) {
      slope[i] = 0;
      for (size_t j = 0; j < classes; ++j) slope[i] += q[i * classes + j] * p[j];
    }
    double form = 0, error = 0;
    for (size_t i = 0; i < classes; ++i) form += p[i] * slope[i];
    for (size_t i = 0; i < classes; ++i) error = std::max(error, std::fabs(slope[i] - form));
    if (error < kTolerance / static_cast<double>(classes)) return;
    for (size_t i = 0; i < classes; ++i) {
      const double own = q[i * classes + i];
      if (own == 0) continue;
      const double change = (form - slope[i]) / own, scale = 1 / (1 + change);
      p[i] += change;
      form = (form + change * (change * own + 2 * slope[i])) * scale * scale;
      for (size_t j = 0; j < classes; ++j) {
        slope[j] = (slope[j] + change * q[i * classes + j]) * scale;
        p[j] *= scale;
      }
    }
  }
}

void reference(Reference& n) {
  const auto classes = static_cast<size_t>(n.attributes<CoupleProbabilities>().classes);
  const Array& src = *n.in[0];
  const int64_t pairs = src.size(1);
  std::vector<double> q(classes * classes), p(classes);
  for (int64_t row = 0; row < src.size(0); ++row) {
    std::fill(q.begin(), q.end(), 0);
    int64_t pair = row * pairs;
    for (size_t i = 0; i < classes; ++i)
      for (size_t j = i + 1; j < classes; ++j) {
        const double r = src.real(pair++), other = 1 - r;
        q[i * classes + i] += other * other;
        q[j * classes + j] += r * r;
        q[i * classes + j] = q[j * classes + i] = -r * other;
      }
    minimise(q, classes, p.data());
    for (size_t i = 0; i < classes; ++i)
      n.out[0].real(row * static_cast<int64_t>(classes) + static_cast<int64_t>(i)) = p[i];
  }
}

}  // namespace
const Op ops::couple_probabilities{.name = "couple_probabilities",
                                   .attributes = Attributes::make<CoupleProbabilities>,
                                   .infer = infer,
                                   .reference = reference,
                                   .exactness = {Exactness::relative, 1e-6}};
}  // namespace tenon
