#pragma once

#include <cstdint>

namespace tenon {

// couple_probabilities: class probabilities from those of pairs of classes. Source: [rows, pairs],
// the probability of class i against class j for each pair i < j: (0, 1), (0, 2) .. (1, 2) ..
// dst[rows, classes] minimises the sum over pairs of (r_ji p_i - r_ij p_j)^2 with sum p = 1, by the
// iteration of T.-F. Wu, C.-J. Lin, R. C. Weng, "Probability Estimates for Multi-class
// Classification by Pairwise Coupling", JMLR 5 (2004), algorithm 2. It starts from equal
// probabilities and ends when no row of the optimality condition is off by 0.005 / classes, as
// LIBSVM's does, so that scores equal those of the library that trained the model.
struct CoupleProbabilities {
  int64_t classes = 2;

  bool operator==(const CoupleProbabilities&) const = default;
  void fields(auto& f) { f("classes", classes); }
};

}  // namespace tenon
