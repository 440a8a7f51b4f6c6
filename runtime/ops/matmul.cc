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

Shape infer_shape(Inference& n) {
  const Sides s = sides(n);
  n.equal(n.extent(s.ka), n.extent(s.kb), "columns of input 0 and rows of input 1");
  Shape shape = n.broadcast(s.a, s.b);
  if (n.rank(0) > 1) shape.push(s.m);
  if (n.rank(1) > 1) shape.push(s.n);
  return shape;
}

void infer(Inference& n) {
  n.expect_inputs(2, 2);
  const DType to = n.attributes<Matmul>().to;
  if (to == DType::none) n.expect_same_dtype(0, 1);
  else {
    n.expect(to == DType::f32, "a matmul with a type of its own makes f32");
    for (int i = 0; i < 2; ++i) n.expect(n.dtype(i) == DType::f32 || is_half(n.dtype(i)), "its operands are f32, bf16 or f16");
  }
  n.result(to == DType::none ? n.dtype(0) : to, infer_shape(n));
}

// The zero points of operand i, in input 2 + i: one, one for each of `count` rows or columns, or the operand's shape with size 1 along k.
void expect_zero(Inference& n, int i, Extent count) {
  if (!n.has(2 + i)) return;
  n.expect_same_dtype(i, 2 + i);
  if (n.count(n.shape(2 + i)).dim() == Dim(1)) return;
  const int rank = n.rank(i);
  n.expect(rank >= 2, "a vector has one zero point");
  if (n.rank(2 + i) == 1) return n.equal(n.size(2 + i, 0), count, "zero points of input " + std::to_string(i));
  n.expect_rank(2 + i, rank);
  for (int axis = 0; axis < rank; ++axis)
    n.equal(n.size(2 + i, axis), axis == (i == 0 ? rank - 1 : rank - 2) ? 1 : n.size(i, axis), "zero points of input " + std::to_string(i));
}

void infer_integer(Inference& n) {
  n.expect_inputs(2, 4);
  const auto& t = n.attributes<Matmul>();
  n.expect(!t.transpose_a && !t.transpose_b, "matmul_integer transposes nothing");
  n.expect(t.to == DType::none, "matmul_integer makes s32");
  for (int i = 0; i < 2; ++i) n.expect(n.dtype(i) == DType::u8 || n.dtype(i) == DType::s8, "the operands of matmul_integer are u8 or s8");
  const Shape shape = infer_shape(n);
  if (n.has(2)) expect_zero(n, 0, n.rank(0) > 1 ? n.size(0, -2) : 1);
  if (n.has(3)) expect_zero(n, 1, n.size(1, -1));
  n.result(DType::s32, shape);
}

void multiply(const Matmul& t, const Array& a, const Array& b, Array& dst) {
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

void reference(Reference& r) { multiply(r.attributes<Matmul>(), *r.in[0], *r.in[1], r.out[0]); }

// src less its zero points; a list of them runs along axis -2 of the left operand and along axis -1 of the right.
Array less_zero(const Array& src, const Array* zero, bool left) {
  Array out = src;
  if (!zero) return out;
  std::vector<int64_t> shape = zero->shape;
  if (zero->count() == 1) shape = {};
  else if (shape.size() == 1 && left) shape.push_back(1);
  const std::vector<int64_t> strides = broadcast_strides(shape, src.shape);
  for (Walk at(src.shape); at.more(); at.next()) out.integer(at.flat()) -= zero->integer(at.offset(strides));
  return out;
}

void integer_reference(Reference& r) {
  const auto zero = [&](int i) { return r.has(i) ? r.in[static_cast<size_t>(i)] : nullptr; };
  multiply({}, less_zero(*r.in[0], zero(2), true), less_zero(*r.in[1], zero(3), false), r.out[0]);
}

}  // namespace
const Op ops::matmul{.name = "matmul",
                     .attributes = Attributes::make<Matmul>,
                     .infer = infer,
                     .reference = reference,
                     .exactness = {Exactness::relative, 1e-5},
                     .linear = true};
const Op ops::matmul_integer{
    .name = "matmul_integer", .attributes = Attributes::make<Matmul>, .infer = infer_integer, .reference = integer_reference};
}  // namespace tenon
