#include "base/dim.h"

#include <algorithm>
#include <unordered_set>

#include "base/error.h"

namespace tenon {
namespace {

constexpr int64_t kFar = int64_t{1} << 62;  // stands for "no bound" in intervals

int64_t clamped(__int128 v) { return static_cast<int64_t>(std::clamp<__int128>(v, -kFar, kFar)); }

int64_t floor_quotient(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

int64_t checked(__int128 v) {
  if (v > kFar || v < -kFar) throw Error(Code::limit, "a size does not fit into 62 bits");
  return static_cast<int64_t>(v);
}

// Orders monomials: more atoms first, then by atoms.
bool before(const std::vector<int32_t>& a, const std::vector<int32_t>& b) { return a.size() != b.size() ? a.size() > b.size() : a < b; }

// a without the atoms of b; false where b has an atom that a lacks.
bool without(const std::vector<int32_t>& a, const std::vector<int32_t>& b, std::vector<int32_t>& out) {
  if (!std::includes(a.begin(), a.end(), b.begin(), b.end())) return false;
  out.clear();
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return true;
}

}  // namespace

Extents::Extents(const LoadLimits& limits) : limits_(limits) {}

int32_t Extents::push(Row row) {
  if (static_cast<int64_t>(rows_.size()) >= limits_.extent_rows)
    throw Error(Code::limit, "more than " + std::to_string(limits_.extent_rows) + " symbolic sizes (limit extent_rows)");
  rows_.push_back(std::move(row));
  return static_cast<int32_t>(rows_.size() - 1);
}

std::string Extents::key(const Polynomial& p) const {
  std::string k = "p";
  for (const Term& t : p) {
    k.append(reinterpret_cast<const char*>(&t.factor), sizeof t.factor);
    for (int32_t a : t.atoms) k.append(reinterpret_cast<const char*>(&a), sizeof a);
    k += '|';
  }
  return k;
}

Extents::Polynomial Extents::polynomial(Dim d) const {
  if (!d.known()) return rows_[d.row()].polynomial;
  return d.number() ? Polynomial{{d.number(), {}}} : Polynomial{};
}

namespace {

// The range of a sum of products; `range_of_atom(row)` gives those of their factors.
template <class Polynomial, class RangeOfAtom>
Interval polynomial_range(const Polynomial& p, const RangeOfAtom& range_of_atom) {
  __int128 low = 0, high = 0;
  for (const auto& t : p) {
    __int128 l = 1, h = 1;
    for (int32_t a : t.atoms) {
      const Interval r = range_of_atom(a);
      const __int128 c[] = {l * r.low, l * r.high, h * r.low, h * r.high};
      l = clamped(*std::min_element(c, c + 4)), h = clamped(*std::max_element(c, c + 4));
    }
    l *= t.factor, h *= t.factor;
    low = clamped(low + std::min(l, h)), high = clamped(high + std::max(l, h));
  }
  return {static_cast<int64_t>(low), static_cast<int64_t>(high)};
}

}  // namespace

Interval Extents::range_of(const Polynomial& p) const {
  return polynomial_range(p, [&](int32_t row) { return rows_[row].range; });
}

// Of floor(a / b), where b is not 0.
Interval Extents::quotient_range(Interval a, Interval b) {
  if (b.low > 0)
    return {std::min(floor_quotient(a.low, b.low), floor_quotient(a.low, b.high)),
            std::max(floor_quotient(a.high, b.low), floor_quotient(a.high, b.high))};
  if (a.low >= 0 && b.low >= 0) return {0, a.high};
  return {-kFar, kFar};
}

Dim Extents::intern(Polynomial p) {
  std::sort(p.begin(), p.end(), [](const Term& a, const Term& b) { return before(a.atoms, b.atoms); });
  Polynomial merged;
  for (Term& t : p) {
    if (!merged.empty() && merged.back().atoms == t.atoms) merged.back().factor = checked(__int128{merged.back().factor} + t.factor);
    else merged.push_back(std::move(t));
    if (merged.back().factor == 0) merged.pop_back();
  }
  if (merged.empty()) return 0;
  if (merged.size() == 1 && merged[0].atoms.empty()) return merged[0].factor;
  if (merged.size() == 1 && merged[0].factor == 1 && merged[0].atoms.size() == 1) return Dim::of_row(merged[0].atoms[0]);
  if (static_cast<int64_t>(merged.size()) > limits_.extent_terms)
    throw Error(Code::limit, "a symbolic size of more than " + std::to_string(limits_.extent_terms) + " terms (limit extent_terms)");
  for (const Term& t : merged)
    if (static_cast<int64_t>(t.atoms.size()) > limits_.extent_atoms)
      throw Error(Code::limit,
                  "a symbolic size with a product of more than " + std::to_string(limits_.extent_atoms) + " factors (limit extent_atoms)");
  const std::string k = key(merged);
  if (auto found = index_.find(k); found != index_.end()) return Dim::of_row(found->second);
  const Interval range = range_of(merged);
  const int32_t row = push({std::move(merged), -1, range});
  index_.emplace(k, row);
  return Dim::of_row(row);
}

Dim Extents::atom(Atom kind, Dim a, Dim b, std::string name, Interval range) {
  std::string k = "a";
  k += static_cast<char>('0' + static_cast<int>(kind));
  k += std::to_string(a.bits) + "," + std::to_string(b.bits) + "," + name;
  if (kind != Atom::data)
    if (auto found = index_.find(k); found != index_.end()) return Dim::of_row(found->second);
  const int32_t row = push({{}, static_cast<int32_t>(atoms_.size()), range});
  rows_[row].polynomial = {{1, {row}}};
  atoms_.push_back({kind, a, b, std::move(name), row});
  if (kind != Atom::data) index_.emplace(k, row);
  return Dim::of_row(row);
}

Dim Extents::symbol(const std::string& name, Interval range) { return atom(Atom::symbol, 0, 0, name, range); }

Dim Extents::data(Dim bound) {
  const int64_t high = bound.known() && bound.number() < 0 ? kFar : range(bound).high;
  return atom(Atom::data, bound, 0, "?" + std::to_string(rows_.size()), {0, high});
}

Dim Extents::add(Dim a, Dim b) {
  if (a.known() && b.known()) return checked(__int128{a.number()} + b.number());
  Polynomial p = polynomial(a);
  for (Term& t : polynomial(b)) p.push_back(std::move(t));
  return intern(std::move(p));
}

Dim Extents::sub(Dim a, Dim b) { return a == b ? Dim(0) : add(a, mul(b, -1)); }

Dim Extents::mul(Dim a, Dim b) {
  if (a.known() && b.known()) return checked(__int128{a.number()} * b.number());
  if (a == Dim(1)) return b;
  if (b == Dim(1)) return a;
  Polynomial p;
  for (const Term& s : polynomial(a))
    for (const Term& t : polynomial(b)) {
      Term product{checked(__int128{s.factor} * t.factor), {}};
      std::merge(s.atoms.begin(), s.atoms.end(), t.atoms.begin(), t.atoms.end(), std::back_inserter(product.atoms));
      p.push_back(std::move(product));
    }
  return intern(std::move(p));
}

// p = quotient * divisor + rest, dividing by the divisor's first monomial while that is possible.
bool Extents::divide(const Polynomial& p, const Polynomial& divisor, Polynomial& quotient, Polynomial& rest) const {
  Polynomial left = p;
  const Term& lead = divisor.front();
  for (int steps = 0; !left.empty(); ++steps) {
    if (steps > 256) return false;
    std::sort(left.begin(), left.end(), [](const Term& a, const Term& b) { return before(a.atoms, b.atoms); });
    Term t = left.front();
    left.erase(left.begin());
    Term q{};
    const bool constant = lead.atoms.empty() && t.atoms.empty();
    if (without(t.atoms, lead.atoms, q.atoms) && (constant || t.factor % lead.factor == 0)) {
      q.factor = floor_quotient(t.factor, lead.factor);
      const int64_t over = t.factor - q.factor * lead.factor;
      if (over) rest.push_back({over, t.atoms});
      if (q.factor == 0) continue;
      for (size_t i = 1; i < divisor.size(); ++i) {
        Term back{checked(-__int128{q.factor} * divisor[i].factor), {}};
        std::merge(q.atoms.begin(), q.atoms.end(), divisor[i].atoms.begin(), divisor[i].atoms.end(), std::back_inserter(back.atoms));
        auto same = std::find_if(left.begin(), left.end(), [&](const Term& l) { return l.atoms == back.atoms; });
        if (same == left.end()) left.push_back(back);
        else if ((same->factor = checked(__int128{same->factor} + back.factor)) == 0) left.erase(same);
      }
      quotient.push_back(std::move(q));
    } else {
      rest.push_back(std::move(t));
    }
  }
  return true;
}

Dim Extents::floor_div(Dim a, Dim b) {
  if (b == Dim(0)) throw Error(Code::bad_model, "a size is divided by zero");
  if (a.known() && b.known()) return floor_quotient(a.number(), b.number());
  if (b == Dim(1)) return a;
  if (a == b) return 1;
  if (a == Dim(0)) return 0;
  Polynomial quotient, rest;
  const Polynomial divisor = polynomial(b);
  if (divide(polynomial(a), divisor, quotient, rest)) {
    if (rest.empty()) return intern(std::move(quotient));
    // The quotient of a sum by a number may be taken apart; by a symbol only where nothing is left over.
    if (b.known() || range_of(rest).low >= 0) {
      const Interval r = range_of(rest), by = range(b);
      if (r.low >= 0 && by.low > 0 && r.high < by.low) return intern(std::move(quotient));
      if (b.known() && !quotient.empty()) return add(intern(std::move(quotient)), floor_div(intern(std::move(rest)), b));
    }
  }
  // floor(floor(x / m) / n) = floor(x / (m * n))
  if (const int32_t at = a.known() ? -1 : rows_[a.row()].atom; at >= 0 && atoms_[at].kind == Atom::floor_div && b.known() && b.number() > 0) {
    const Dim inner = atoms_[at].a, by = atoms_[at].b;
    if (by.known() && by.number() > 0) return floor_div(inner, mul(by, b));
  }
  const Interval x = range(a), y = range(b);
  return atom(Atom::floor_div, a, b, "", quotient_range(x, y));
}

Dim Extents::mod(Dim a, Dim b) {
  if (b == Dim(0)) throw Error(Code::bad_model, "a size is divided by zero");
  if (a.known() && b.known()) return a.number() - floor_quotient(a.number(), b.number()) * b.number();
  if (a == b || b == Dim(1)) return 0;
  Polynomial quotient, rest;
  if (divide(polynomial(a), polynomial(b), quotient, rest)) {
    const Interval r = range_of(rest), by = range(b);
    if (rest.empty()) return 0;
    if (r.low >= 0 && by.low > 0 && r.high < by.low) return intern(std::move(rest));
    if (b.known() && !quotient.empty()) return mod(intern(std::move(rest)), b);
  }
  const Interval y = range(b);
  return atom(Atom::mod, a, b, "", {0, std::max<int64_t>(0, y.high - 1)});
}

Dim Extents::min(Dim a, Dim b) {
  if (a == b) return a;
  if (a.known() && b.known()) return std::min(a.number(), b.number());
  const Interval x = range(a), y = range(b);
  if (x.high <= y.low) return a;
  if (y.high <= x.low) return b;
  const Interval d = range(sub(a, b));
  if (d.low >= 0) return b;
  if (d.high <= 0) return a;
  if (a.bits > b.bits) std::swap(a, b);
  return atom(Atom::min, a, b, "", {std::min(x.low, y.low), std::min(x.high, y.high)});
}

Dim Extents::max(Dim a, Dim b) {
  if (a == b) return a;
  if (a.known() && b.known()) return std::max(a.number(), b.number());
  const Interval x = range(a), y = range(b);
  if (x.high <= y.low) return b;
  if (y.high <= x.low) return a;
  const Interval d = range(sub(a, b));
  if (d.low >= 0) return a;
  if (d.high <= 0) return b;
  if (a.bits > b.bits) std::swap(a, b);
  return atom(Atom::max, a, b, "", {std::max(x.low, y.low), std::max(x.high, y.high)});
}

Dim Extents::broadcast(Dim a, Dim b) {
  if (a == b || b == Dim(1)) return a;
  if (a == Dim(1)) return b;
  if (a.known()) return a;
  if (b.known()) return b;
  if (range(a).low > 1) return a;
  if (range(b).low > 1) return b;
  if (a.bits > b.bits) std::swap(a, b);
  const Interval x = range(a), y = range(b);
  return atom(Atom::broadcast, a, b, "", {std::min(x.low, y.low), std::max(x.high, y.high)});
}

Interval Extents::range(Dim d) const { return d.known() ? Interval{d.number(), d.number()} : rows_[d.row()].range; }

void Extents::is_size(Dim d) {
  if (!d.known()) rows_[d.row()].range.low = std::max<int64_t>(rows_[d.row()].range.low, 0);
}

bool Extents::differ(Dim a, Dim b) {
  if (a == b) return false;
  const Interval x = range(a), y = range(b);
  if (x.high < y.low || y.high < x.low) return true;
  const Interval d = range(sub(a, b));
  return d.low > 0 || d.high < 0;
}

bool Extents::is_symbol(int32_t row) const { return rows_[row].atom >= 0 && atoms_[rows_[row].atom].kind == Atom::symbol; }
void Extents::add_atoms(Dim d, std::set<int32_t>& rows) const {
  if (d.known()) return;
  std::vector<int32_t> open{d.row()};
  std::unordered_set<int32_t> seen{d.row()};
  while (!open.empty()) {
    const int32_t row = open.back();
    open.pop_back();
    if (is_symbol(row) || is_data(row)) {
      rows.insert(row);
      continue;
    }
    for (int32_t part : parts(row))
      if (seen.insert(part).second) open.push_back(part);
  }
}

bool Extents::by_data(Dim d) const {
  std::set<int32_t> atoms;
  add_atoms(d, atoms);
  return std::any_of(atoms.begin(), atoms.end(), [&](int32_t row) { return is_data(row); });
}

bool Extents::is_data(int32_t row) const { return rows_[row].atom >= 0 && atoms_[rows_[row].atom].kind == Atom::data; }
Dim Extents::bound(int32_t row) const { return atoms_[rows_[row].atom].a; }
const std::string& Extents::symbol_name(int32_t row) const { return atoms_[rows_[row].atom].name; }

std::vector<int32_t> Extents::symbols() const {
  std::vector<int32_t> out;
  for (const AtomRow& a : atoms_)
    if (a.kind == Atom::symbol) out.push_back(a.row);
  return out;
}

std::vector<int32_t> Extents::parts(int32_t row) const {
  std::vector<int32_t> out;
  if (const int32_t at = rows_[row].atom; at >= 0) {
    for (Dim d : {atoms_[at].a, atoms_[at].b})
      if (!d.known()) out.push_back(d.row());
    return out;
  }
  for (const Term& t : rows_[row].polynomial) out.insert(out.end(), t.atoms.begin(), t.atoms.end());
  return out;
}

int64_t Extents::evaluate(int32_t row, const int64_t* values) const {
  const auto value = [&](Dim d) { return d.known() ? d.number() : values[d.row()]; };
  const Row& r = rows_[row];
  if (r.atom < 0) {
    __int128 sum = 0;
    for (const Term& t : r.polynomial) {
      __int128 product = t.factor;
      for (int32_t a : t.atoms) product = checked(product * values[a]);
      sum += product;
    }
    return checked(sum);
  }
  const AtomRow& at = atoms_[r.atom];
  const int64_t a = value(at.a), b = value(at.b);
  switch (at.kind) {
    case Atom::symbol:
    case Atom::data: return values[row];
    case Atom::min: return std::min(a, b);
    case Atom::max: return std::max(a, b);
    case Atom::broadcast: return a == 1 ? b : a;
    case Atom::floor_div:
    case Atom::mod:
      if (b == 0) throw Error(Code::bad_input, "the size " + text(at.b) + " is 0 and divides " + text(at.a));
      return at.kind == Atom::mod ? a - floor_quotient(a, b) * b : floor_quotient(a, b);
  }
  return 0;
}

void Extents::define(int32_t row, Dim d) {
  d = Renaming(*this)(d);
  // Bounds count as parts too, for they are renamed with their sizes.
  std::vector<int32_t> open;
  if (!d.known()) open.push_back(d.row());
  std::unordered_set<int32_t> seen(open.begin(), open.end());
  while (!open.empty()) {
    const int32_t at = open.back();
    open.pop_back();
    if (at == row) return;
    for (int32_t part : parts(at))
      if (part != at && seen.insert(part).second) open.push_back(part);
  }
  definitions_.emplace(row, d);
}

Dim Renaming::lookup(Dim d) const { return d.known() ? d : renamed_.at(d.row()); }

// Renames a row whose parts are renamed; false where some are missing, which it lists.
bool Renaming::compute(int32_t row, std::vector<int32_t>& missing) {
  const auto definition = extents_.definitions_.find(row);
  const bool defined = definition != extents_.definitions_.end();
  std::vector<int32_t> needed;
  if (!defined) needed = extents_.parts(row);
  else if (!definition->second.known()) needed = {definition->second.row()};
  for (int32_t part : needed)
    if (part != row && !renamed_.count(part)) missing.push_back(part);
  if (!missing.empty()) return false;
  Dim& to = renamed_[row];
  to = Dim::of_row(row);
  if (defined) to = lookup(definition->second);
  if (defined || std::all_of(needed.begin(), needed.end(), [&](int32_t part) { return renamed_.at(part) == Dim::of_row(part); })) return true;
  using Atom = Extents::Atom;
  Extents& e = extents_;
  Dim result = 0;
  try {
    if (e.rows_[row].atom < 0) {
      const Extents::Polynomial polynomial = e.rows_[row].polynomial;  // a copy: the table grows
      for (const Extents::Term& term : polynomial) {
        Dim product = term.factor;
        for (int32_t atom : term.atoms) product = e.mul(product, renamed_.at(atom));
        result = e.add(result, product);
      }
    } else {
      const Extents::AtomRow atom = e.atoms_[e.rows_[row].atom];
      const Dim a = lookup(atom.a), b = lookup(atom.b);
      switch (atom.kind) {
        case Atom::symbol: result = Dim::of_row(row); break;
        case Atom::data: result = e.data(a), e.definitions_.emplace(row, result); break;
        case Atom::floor_div: result = e.floor_div(a, b); break;
        case Atom::mod: result = e.mod(a, b); break;
        case Atom::min: result = e.min(a, b); break;
        case Atom::max: result = e.max(a, b); break;
        case Atom::broadcast: result = e.broadcast(a, b); break;
      }
    }
    if (e.rows_[row].range.low >= 0) e.is_size(result);
    renamed_[row] = result;
  } catch (const Error&) {}  // divided by zero: a size that no run can have keeps its name
  return true;
}

Dim Renaming::operator()(Dim d) {
  if (d.known()) return d;
  std::vector<int32_t> open{d.row()};
  while (!open.empty()) {
    std::vector<int32_t> missing;
    if (renamed_.count(open.back()) || compute(open.back(), missing)) open.pop_back();
    else open.insert(open.end(), missing.begin(), missing.end());
  }
  return renamed_.at(d.row());
}

Interval Extents::evaluate(int32_t row, const Interval* ranges) const {
  const auto range_of_dim = [&](Dim d) { return d.known() ? Interval{d.number(), d.number()} : ranges[d.row()]; };
  const Row& r = rows_[row];
  Interval found{-kFar, kFar};
  if (r.atom < 0) {
    found = polynomial_range(r.polynomial, [&](int32_t atom) { return ranges[atom]; });
  } else {
    const AtomRow& at = atoms_[r.atom];
    const Interval a = range_of_dim(at.a), b = range_of_dim(at.b);
    switch (at.kind) {
      case Atom::symbol: found = ranges[row]; break;
      case Atom::data: found = {0, at.a.known() && at.a.number() < 0 ? kFar : a.high}; break;
      case Atom::min: found = {std::min(a.low, b.low), std::min(a.high, b.high)}; break;
      case Atom::max: found = {std::max(a.low, b.low), std::max(a.high, b.high)}; break;
      case Atom::broadcast: found = {std::min(a.low, b.low), std::max(a.high, b.high)}; break;
      case Atom::floor_div: found = quotient_range(a, b); break;
      case Atom::mod: found = {0, std::max<int64_t>(0, b.high - 1)}; break;
    }
  }
  // What is known for every value of the symbols holds too.
  const int64_t low = std::max(found.low, r.range.low);
  return {low, std::max(low, std::min(found.high, r.range.high))};
}

std::string Extents::text(Dim d) const {
  if (d.known()) return std::to_string(d.number());
  const Row& r = rows_[d.row()];
  if (r.atom >= 0) {
    const AtomRow& at = atoms_[r.atom];
    switch (at.kind) {
      case Atom::symbol:
      case Atom::data: return at.name;
      case Atom::floor_div: return "floor(" + text(at.a) + ", " + text(at.b) + ")";
      case Atom::mod: return "mod(" + text(at.a) + ", " + text(at.b) + ")";
      case Atom::min: return "min(" + text(at.a) + ", " + text(at.b) + ")";
      case Atom::max: return "max(" + text(at.a) + ", " + text(at.b) + ")";
      case Atom::broadcast: return "broadcast(" + text(at.a) + ", " + text(at.b) + ")";
    }
  }
  std::string out;
  for (const Term& t : r.polynomial) {
    const int64_t factor = out.empty() ? t.factor : t.factor < 0 ? -t.factor : t.factor;
    if (!out.empty()) out += t.factor < 0 ? " - " : " + ";
    std::string product;
    if (factor != 1 || t.atoms.empty()) product = factor == -1 && !t.atoms.empty() ? "-" : std::to_string(factor);
    for (int32_t a : t.atoms) {
      if (!product.empty() && product != "-") product += "*";
      product += text(Dim::of_row(a));
    }
    out += product;
  }
  return out;
}

Extent Extent::with(Extent b, Dim (Extents::*f)(Dim, Dim)) const {
  Extents* table = table_ ? table_ : b.table_;
  if (!table) {
    Extents numbers;
    return {(numbers.*f)(dim_, b.dim_), nullptr};
  }
  return {(table->*f)(dim_, b.dim_), table};
}

}  // namespace tenon
