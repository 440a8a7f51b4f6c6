#include "passes/algebra.h"

#include <algorithm>
#include <cmath>

namespace tenon {
namespace {

constexpr size_t kMostTerms = 8, kMostLeaves = 6;
constexpr int kMostDepth = 12;

using Leaves = Polynomial::Leaves;

Polynomial leaf(ValueId v, bool inverse = false) { return {{{{{v, inverse}}, 1.0}}}; }

Polynomial sum(Polynomial a, const Polynomial& b, double sign) {
  for (const auto& [leaves, factor] : b.terms)
    if ((a.terms[leaves] += sign * factor) == 0) a.terms.erase(leaves);
  return a;
}

// A value times one over it is 1.
void cancel(Leaves& leaves) {
  for (size_t i = 0; i < leaves.size(); ++i) {
    const auto opposite = std::find(leaves.begin(), leaves.end(), Leaf{leaves[i].value, !leaves[i].inverse});
    if (opposite == leaves.end()) continue;
    leaves.erase(opposite);
    leaves.erase(leaves.begin() + static_cast<int64_t>(i - (opposite < leaves.begin() + static_cast<int64_t>(i) ? 1 : 0)));
    return cancel(leaves);
  }
}

Polynomial product(const Polynomial& a, const Polynomial& b) {
  Polynomial p;
  for (const auto& [x, f] : a.terms)
    for (const auto& [y, g] : b.terms) {
      Leaves leaves;
      std::merge(x.begin(), x.end(), y.begin(), y.end(), std::back_inserter(leaves));
      cancel(leaves);
      p = sum(std::move(p), {{{leaves, f * g}}}, 1);
    }
  return p;
}

class Reader {
 public:
  Reader(const Sweep& s, ValueId root) : sweep_(s), root_(root) {}

  Polynomial read(ValueId v, int depth) const {
    if (const auto c = number(sweep_.graph, v)) return *c == 0 ? Polynomial{} : Polynomial{{{{}, *c}}};
    const Node* n = std::as_const(sweep_.graph).producer(v);
    if (!n || !n->epilogue.empty() || depth > kMostDepth || (v != root_ && sweep_.uses(v) != 1) || !is_real(sweep_.type(v).dtype) ||
        !(sweep_.type(v) == sweep_.type(root_)))
      return leaf(v);
    const auto in = [&](size_t i) { return read(n->inputs[i], depth + 1); };
    Polynomial p;
    if (n->op == &ops::add) p = sum(in(0), in(1), 1);
    else if (n->op == &ops::sub) p = sum(in(0), in(1), -1);
    else if (n->op == &ops::neg) p = sum({}, in(0), -1);
    else if (n->op == &ops::mul) p = product(in(0), in(1));
    else if (n->op == &ops::div) p = product(in(0), inverse(in(1), n->inputs[1]));
    else if (n->op == &ops::reciprocal) p = inverse(in(0), n->inputs[0]);
    else return leaf(v);
    const bool small =
        p.terms.size() <= kMostTerms && std::all_of(p.terms.begin(), p.terms.end(), [](const auto& t) { return t.first.size() <= kMostLeaves; });
    return small ? p : leaf(v);
  }

 private:
  // One over a single product; one over a sum is a leaf.
  static Polynomial inverse(const Polynomial& p, ValueId v) {
    if (p.terms.size() != 1) return leaf(v, true);
    Leaves leaves = p.terms.begin()->first;
    for (Leaf& l : leaves) l.inverse = !l.inverse;
    std::sort(leaves.begin(), leaves.end());
    return {{{leaves, 1 / p.terms.begin()->second}}};
  }

  const Sweep& sweep_;
  ValueId root_;
};

}  // namespace

double Polynomial::factor(const Leaves& leaves) const {
  const auto found = terms.find(leaves);
  return found == terms.end() ? 0 : found->second;
}

bool Polynomial::is(double wanted, Leaves leaves) const {
  std::sort(leaves.begin(), leaves.end());
  return terms.size() == 1 && terms.begin()->first == leaves && std::abs(terms.begin()->second - wanted) <= 1e-6 * std::abs(wanted);
}

Polynomial Polynomial::over(const Leaf& leaf) const {
  Polynomial q;
  for (const auto& [leaves, factor] : terms) {
    const auto at = std::find(leaves.begin(), leaves.end(), leaf);
    if (at == leaves.end()) return {};
    Leaves rest(leaves.begin(), at);
    rest.insert(rest.end(), at + 1, leaves.end());
    q.terms.emplace(std::move(rest), factor);
  }
  return q;
}

Polynomial polynomial(const Sweep& s, ValueId v) { return Reader(s, v).read(v, 0); }

std::optional<Affine> affine(const Sweep& s, ValueId v) {
  const Polynomial p = polynomial(s, v);
  const double b = p.factor({});
  if (p.terms.size() != (b == 0 ? 1u : 2u)) return std::nullopt;
  const auto& [leaves, a] = *p.terms.rbegin();  // the constant term comes first
  if (leaves.size() != 1 || leaves[0].inverse) return std::nullopt;
  return Affine{leaves[0].value, a, b};
}

bool close(double a, double b, DType type) { return std::abs(a - b) <= (bits(type) <= 16 ? 2e-3 : 1e-4) * std::max(std::abs(a), std::abs(b)); }

}  // namespace tenon
