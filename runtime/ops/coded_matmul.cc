#include "ops/coded_matmul.h"

#include "ops/op.h"

namespace tenon {
namespace {

void infer(Inference& n) {
  const auto& a = n.attributes<CodedMatmul>();
  n.expect_inputs(3, 4);
  n.expect(a.bits == 2 || a.bits == 4 || a.bits == 8, "the codes of coded_matmul have 2, 4 or 8 bits");
  n.expect(a.block >= 16 && (a.block & (a.block - 1)) == 0 && a.block <= int64_t{1} << 40, "a block of coded_matmul is a power of two, 16 or more");
  n.expect(a.k > 0, "coded_matmul has columns");
  n.expect(n.dtype(0) == DType::f32 && n.dtype(2) == DType::f32, "src and scale of coded_matmul are f32");
  n.expect(n.dtype(1) == DType::u8, "the codes of coded_matmul are u8");
  n.expect(n.rank(0) >= 1, "src of coded_matmul has a last axis");
  n.expect_rank(1, 3);
  n.expect_rank(2, 2);
  n.equal(n.size(0, -1), a.k, "columns of src and of the weight");
  n.equal(n.size(1, 1), a.blocks(), "blocks of the codes");
  n.equal(n.size(1, 2), a.block * a.bits / 8, "bytes of a block");
  const auto fits = [&](int i) {
    n.expect_rank(i, 2);
    n.equal(n.size(i, 0), n.size(1, 0), "rows of input " + std::to_string(i) + " and of the codes");
    n.equal(n.size(i, 1), a.blocks(), "blocks of input " + std::to_string(i));
  };
  fits(2);
  if (n.has(3)) {
    n.expect(n.dtype(3) == DType::u8 || n.dtype(3) == DType::f32, "the zero points of coded_matmul are u8 or f32");
    fits(3);
  }
  Shape shape = n.shape(0);
  shape[shape.rank() - 1] = n.size(1, 0);
  n.result(DType::f32, shape);
}

void reference(Reference& n) {
  const auto& a = n.attributes<CodedMatmul>();
  const Array &src = *n.in[0], &codes = *n.in[1], &scale = *n.in[2];
  Array& dst = n.out[0];
  const int64_t rows = codes.shape[0], blocks = a.blocks(), blob = a.block * a.bits / 8, mask = (int64_t{1} << a.bits) - 1;
  std::vector<double> weight(static_cast<size_t>(a.k));
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < a.k; ++k) {
      const int64_t b = row * blocks + k / a.block, bit = k % a.block * a.bits;
      const int64_t code = codes.integer(b * blob + bit / 8) >> (bit % 8) & mask;
      const double zero = n.has(3) ? n.in[3]->number(b) : static_cast<double>(int64_t{1} << (a.bits - 1));
      weight[static_cast<size_t>(k)] = (static_cast<double>(code) - zero) * scale.real(b);
    }
    for (int64_t m = 0; m * a.k < src.count(); ++m) {
      double sum = 0;
      for (int64_t k = 0; k < a.k; ++k) sum += src.real(m * a.k + k) * weight[static_cast<size_t>(k)];
      dst.real(m * rows + row) = sum;
    }
  }
}

}  // namespace
const Op ops::coded_matmul{.name = "coded_matmul",
                           .attributes = Attributes::make<CodedMatmul>,
                           .infer = infer,
                           .reference = reference,
                           .exactness = {Exactness::relative, 1e-5}};
}  // namespace tenon
