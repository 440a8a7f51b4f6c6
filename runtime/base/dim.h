// Sizes that may be symbols. A Dim is a number or a row of an Extents table; equal extents are equal Dims.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/limits.h"

namespace tenon {

// An extent, or an element of a shape value. Eight bytes, so that whatever moves int64 (gather, concat, slice) moves extents.
struct Dim {
  int64_t bits = 0;

  constexpr Dim() = default;
  constexpr Dim(int64_t number) : bits(number) {}
  static constexpr Dim of_row(int32_t row) { return Dim(INT64_MIN + row); }

  // Numbers below this are reserved for rows; files and inputs that hold one as a size are refused.
  static constexpr int64_t kLeastNumber = INT64_MIN + (int64_t{1} << 31);
  constexpr bool known() const { return bits >= kLeastNumber; }
  constexpr int64_t number() const { return bits; }
  constexpr int32_t row() const { return static_cast<int32_t>(bits - INT64_MIN); }
  friend constexpr bool operator==(Dim, Dim) = default;
};

struct Interval {
  int64_t low, high;
};

// Rows of polynomials over atoms: symbols, sizes that data decide, and the functions that no polynomial expresses. A row refers only
// to rows before it. Shared by a graph and its subgraphs.
class Extents {
 public:
  enum class Atom : uint8_t { symbol, data, floor_div, mod, min, max, broadcast };

  explicit Extents(const LoadLimits& limits = {});

  // The same name gives the same Dim.
  Dim symbol(const std::string& name, Interval range = {0, INT64_MAX / 2});
  // A size that a step decides while running; `bound` is its largest value, negative where there is none.
  Dim data(Dim bound);

  Dim add(Dim a, Dim b);
  Dim sub(Dim a, Dim b);
  Dim mul(Dim a, Dim b);
  Dim floor_div(Dim a, Dim b);
  Dim mod(Dim a, Dim b);
  Dim min(Dim a, Dim b);
  Dim max(Dim a, Dim b);
  Dim broadcast(Dim a, Dim b);  // a where b is 1, else b

  // What is known of the value for every value of the symbols.
  Interval range(Dim d) const;
  bool equal(Dim a, Dim b) const { return a == b; }
  // From here on d counts as 0 or more, as what became a size does; a negative one is refused when sizes are bound.
  void is_size(Dim d);
  // True when the two differ for every value of the symbols.
  bool differ(Dim a, Dim b);

  // Declares that the run-time size `row` equals d in every run, because more is known now than when it was made. Who holds a Dim made of
  // `row` replaces it by what Renaming gives. Ignored where d is made of `row`.
  void define(int32_t row, Dim d);
  bool has_definitions() const { return !definitions_.empty(); }

  int32_t rows() const { return static_cast<int32_t>(rows_.size()); }
  // The row is one symbol or one size decided by data.
  bool is_symbol(int32_t row) const;
  bool is_data(int32_t row) const;
  // Whether data decide any part of d.
  bool by_data(Dim d) const;
  // The largest value of a size decided by data: a Dim, negative where there is none.
  Dim bound(int32_t row) const;
  const std::string& symbol_name(int32_t row) const;
  std::vector<int32_t> symbols() const;  // rows
  // Adds the symbols and run-time sizes that d is made of.
  void add_atoms(Dim d, std::set<int32_t>& rows) const;
  // Rows that the row is made of, itself left out.
  std::vector<int32_t> parts(int32_t row) const;
  // The row's value when those of all rows before it are known. Throws Error(limit) where it does not fit.
  int64_t evaluate(int32_t row, const int64_t* values) const;
  // The least and the largest value that the row can have when the rows before it lie in `ranges`.
  Interval evaluate(int32_t row, const Interval* ranges) const;

  // As printed: "n", "2*n + 1", "floor(n / 2)", "min(n, 3)".
  std::string text(Dim d) const;

 private:
  struct Term {
    int64_t factor;
    std::vector<int32_t> atoms;  // sorted rows of atoms
    bool operator==(const Term&) const = default;
  };
  using Polynomial = std::vector<Term>;
  struct Row {
    Polynomial polynomial;  // of an atom: itself
    int32_t atom = -1;
    Interval range;
  };
  struct AtomRow {
    Atom kind;
    Dim a, b;
    std::string name;
    int32_t row;
  };

  Polynomial polynomial(Dim d) const;
  Dim intern(Polynomial p);
  Dim atom(Atom kind, Dim a, Dim b, std::string name, Interval range);
  Interval range_of(const Polynomial& p) const;
  static Interval quotient_range(Interval a, Interval b);
  int32_t push(Row row);
  bool divide(const Polynomial& p, const Polynomial& divisor, Polynomial& quotient, Polynomial& rest) const;
  std::string key(const Polynomial& p) const;

  friend class Renaming;

  LoadLimits limits_;
  std::unordered_map<int32_t, Dim> definitions_;
  std::vector<Row> rows_;
  std::vector<AtomRow> atoms_;
  std::unordered_map<std::string, int32_t> index_;
};

// Dims with every defined run-time size replaced by its definition. Rows added after construction are not looked at.
class Renaming {
 public:
  explicit Renaming(Extents& extents) : extents_(extents) {}
  Dim operator()(Dim d);

 private:
  Dim lookup(Dim d) const;
  bool compute(int32_t row, std::vector<int32_t>& missing);

  Extents& extents_;
  std::unordered_map<int32_t, Dim> renamed_;
};

// Arithmetic on Dims with operators, for `infer` and for references that run on shape values.
class Extent {
 public:
  Extent() = default;
  Extent(int64_t number) : dim_(number) {}
  Extent(Dim dim, Extents* table) : dim_(dim), table_(table) {}

  Dim dim() const { return dim_; }
  operator Dim() const { return dim_; }
  Extents* table() const { return table_; }
  bool known() const { return dim_.known(); }

  friend Extent operator+(Extent a, Extent b) { return a.with(b, &Extents::add); }
  friend Extent operator-(Extent a, Extent b) { return a.with(b, &Extents::sub); }
  friend Extent operator*(Extent a, Extent b) { return a.with(b, &Extents::mul); }
  friend Extent operator/(Extent a, Extent b) { return a.with(b, &Extents::floor_div); }
  friend Extent operator%(Extent a, Extent b) { return a.with(b, &Extents::mod); }
  friend Extent min(Extent a, Extent b) { return a.with(b, &Extents::min); }
  friend Extent max(Extent a, Extent b) { return a.with(b, &Extents::max); }

 private:
  Extent with(Extent b, Dim (Extents::*f)(Dim, Dim)) const;

  Dim dim_;
  Extents* table_ = nullptr;
};

}  // namespace tenon
