#include "ops/matmul.h"

#include "ops/op.h"

namespace tenon {
namespace {

// The matrices of both operands: a vector on the left is a row, on the right a column.
struct Sides {
  Shape a, b;  // leading axes
  Dim m, ka, kb, n;
};

Sides sides(Inference& n) {
  const auto& t = n.attributes<Matmul>();
  const Shape &a = n.shape(0), &b = n.shape(1);
  n.expect(a.rank() >= 1 && b.rank() >= 1, "both operands of matmul have rank 1 or more");
  n.expect((!t.transpose_a || a.rank() >= 2) && (!t.transpose_b || b.rank() >= 2), "a transposed operand of matmul has rank 2 or more");
  Sides s;
  for (int i = 0; i < a.rank() - 2; ++i) s.a.push(a[i]);
  for (int i = 0; i < b.rank() - 2; ++i) s.b.push(b[i]);
  const Dim a0 = a.rank() > 1 ? a[a.rank() - 2] : Dim(1), a1 = a[a.rank() - 1];
  s.m = t.transpose_a ? a1 : a0, s.ka = t.transpose_a ? a0 : a1;
  const Dim b0 = b.rank() > 1 ? b[b.rank() - 2] : b[0], b1 = b.rank() > 1 ? b[b.rank() - 1] : Dim(1);
  s.kb = t.transpose_b ? b1 : b0, s.n = t.transpose_b ? b0 : b1;
  return s;
}

void infer(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect_same_dtype(0, 1);
  const Sides s = sides(n);
  n.equal(n.extent(s.ka), n.extent(s.kb), "columns of input 0 and rows of input 1");
  Shape shape = n.broadcast(s.a, s.b);
  if (n.rank(0) > 1) shape.push(s.m);
  if (n.rank(1) > 1) shape.push(s.n);
  n.result(n.dtype(0), shape);
}

void reference(Reference& r) {
  const auto& t = r.attributes<Matmul>();
  const Array &a = *r.in[0], &b = *r.in[1];
  Array& dst = r.out[0];
  std::vector<int64_t> as = a.shape, bs = b.shape;
  if (as.size() == 1) as.insert(as.begin(), 1);
  if (bs.size() == 1) bs.push_back(1);
  const int64_t m = as[as.size() - (t.transpose_a ? 1 : 2)], k = as[as.size() - (t.transpose_a ? 2 : 1)], n = bs[bs.size() - (t.transpose_b ? 2 : 1)];
  const int64_t a_row = t.transpose_a ? 1 : k, a_column = t.transpose_a ? m : 1, b_row = t.transpose_b ? 1 : n, b_column = t.transpose_b ? k : 1;
  const std::vector<int64_t> lead_a(as.begin(), as.end() - 2), lead_b(bs.begin(), bs.end() - 2);
  std::vector<int64_t> lead(std::max(lead_a.size(), lead_b.size()));
  std::copy(dst.shape.begin(), dst.shape.begin() + static_cast<int64_t>(lead.size()), lead.begin());
  const std::vector<int64_t> a_strides = broadcast_strides(lead_a, lead), b_strides = broadcast_strides(lead_b, lead);
  for (Walk at(lead); at.more(); at.next()) {
    const int64_t pa = at.offset(a_strides) * m * k, pb = at.offset(b_strides) * k * n, pd = at.flat() * m * n;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        int64_t whole = 0;
        for (int64_t l = 0; l < k; ++l) {
          const int64_t x = pa + i * a_row + l * a_column, y = pb + l * b_row + j * b_column;
          if (a.is_real()) sum += a.real(x) * b.real(y);
          else whole += a.integer(x) * b.integer(y);
        }
        if (a.is_real()) dst.real(pd + i * n + j) = sum;
        else dst.integer(pd + i * n + j) = whole;
      }
  }
}

}  // namespace
const Op ops::matmul{.name = "matmul", .attributes = Attributes::make<Matmul>, .infer = infer, .reference = reference,
                     .exactness = {Exactness::relative, 1e-5}, .linear = true};
}  // namespace tenon
