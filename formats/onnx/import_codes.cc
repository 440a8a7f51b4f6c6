// Weights of com.microsoft in codes of 2, 4 or 8 bits, with a scale, and perhaps a zero point, for each block of a row.
#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/coded_matmul.h"
#include "ops/concat.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/reshape.h"
#include "ops/squeeze.h"

namespace tenon::onnx {
namespace {

constexpr std::string_view kDomain = "com.microsoft";

ValueId shaped(const Import& n, ValueId v, const std::vector<int64_t>& shape) { return n.emit("reshape", Reshape{}, {v, n.constant(shape)}); }
ValueId apply(const Import& n, const char* op, std::vector<ValueId> operands) { return n.emit(op, None{}, std::move(operands)); }

void expect_bits(const Import& n, int64_t bits, int64_t block) {
  if (bits != 2 && bits != 4 && bits != 8) n.refuse("codes of " + std::to_string(bits) + " bits; 2, 4 and 8 are supported");
  expect(block >= 16 && block <= int64_t{1} << 30 && (block & (block - 1)) == 0, "block_size is a power of two, 16 or more");
}

// The codes in the bytes of v, each a u8: the last axis becomes 8 / bits times as long. Earlier codes lie in lower bits.
ValueId unpacked(const Import& n, ValueId v, int64_t bits) {
  if (bits == 8) return v;
  const Formula f{n, DType::u8};
  std::vector<ValueId> places;
  for (int64_t shift = 0; shift < 8; shift += bits) {
    const ValueId low = shift ? f("shift_right", {v, f.number(static_cast<double>(shift))}) : v;
    places.push_back(n.emit("unsqueeze", Unsqueeze{{-1}}, {f("bit_and", {low, f.number(static_cast<double>((1 << bits) - 1))})}));
  }
  const ValueId codes = n.emit("concat", Concat{-1}, places);
  const int rank = n.graph().value(v).type.shape.rank();
  std::vector<int64_t> shape(static_cast<size_t>(rank), 0);
  shape.back() = -1;
  return shaped(n, codes, shape);
}

// Zero points of [rows, blocks] as u8 or f32; those that are packed begin each row with a byte of its own.
ValueId zeros(const Import& n, int i, int64_t rows, int64_t blocks, int64_t bits) {
  if (n.element(i) != DType::u8) return shaped(n, cast(n, input(n, i), DType::f32), {rows, blocks});
  const int64_t bytes = (blocks * bits + 7) / 8;
  const ValueId all = unpacked(n, shaped(n, input(n, i), {rows, bytes}), bits);
  return n.emit("slice", None{}, {all, n.constant({0}), n.constant({blocks}), n.constant({1})});
}

Values matmul_nbits(const Import& n) {
  CodedMatmul a{.k = n.integer("K", 0), .block = n.integer("block_size", 0), .bits = n.integer("bits", 4)};
  const int64_t rows = n.integer("N", 0);
  n.ignore("accuracy_level");  // how little precision the arithmetic may have
  if (n.integer("weight_prepacked", 0)) n.refuse("weights packed for one vendor's processor; export the model without weight_prepacked");
  expect_bits(n, a.bits, a.block);
  expect(a.k > 0 && rows > 0 && a.k <= int64_t{1} << 40, "K and N are 1 or more");
  const DType dtype = n.element(0);
  const ValueId src = cast(n, input(n, 0), DType::f32);
  const ValueId codes = shaped(n, input(n, 1), {rows, a.blocks(), a.block * a.bits / 8});
  const ValueId scale = shaped(n, cast(n, input(n, 2), DType::f32), {rows, a.blocks()});
  std::vector<ValueId> in{src, codes, scale};
  if (n.has(3)) in.push_back(zeros(n, 3, rows, a.blocks(), a.bits));
  ValueId y;
  if (n.has(4)) {
    // Each column names its block: the weight is made whole.
    const Formula f{n, DType::f32};
    const ValueId whole = shaped(n, unpacked(n, codes, a.bits), {rows, -1});
    const ValueId numbers = cast(n, n.emit("slice", None{}, {whole, n.constant({0}), n.constant({a.k}), n.constant({1})}), DType::f32);
    const auto by_column = [&](ValueId v) { return n.emit("gather", Gather{1}, {v, input(n, 4)}); };
    const ValueId zero = n.has(3) ? cast(n, by_column(in[3]), DType::f32) : f.number(static_cast<double>(1 << (a.bits - 1)));
    const ValueId weight = f("mul", {f("sub", {numbers, zero}), by_column(scale)});
    y = n.emit("matmul", Matmul{.transpose_b = true}, {src, weight});
  } else {
    y = n.emit("coded_matmul", a, in);
  }
  if (n.has(5)) y = apply(n, "add", {y, cast(n, input(n, 5), DType::f32)});
  return cast(n, y, dtype);
}

// Rows of a table whose elements are codes along the last axis.
Values gather_block_quantized(const Import& n) {
  const int64_t bits = n.integer("bits", 4), block = n.integer("block_size", 128), rank = n.rank(0);
  int64_t axis = n.integer("quantize_axis", 1);
  if (axis < 0) axis += rank;
  expect_bits(n, bits, block);
  if (n.integer("gather_axis", 0) != 0 || axis != rank - 1) n.refuse("a gather_axis other than 0, or a quantize_axis other than the last");
  const DType stored = n.element(0), dtype = n.element(2);
  const Formula f{n, DType::f32};
  const auto rows = [&](ValueId table) { return n.emit("gather", Gather{0}, {table, input(n, 1)}); };
  const bool packed = stored == DType::u8;
  // A whole byte holds codes of 4-bit types too.
  const ValueId codes = packed ? unpacked(n, rows(input(n, 0)), bits) : rows(cast(n, input(n, 0), DType::f32));
  const ValueId scale = rows(cast(n, input(n, 2), DType::f32));
  // [..., blocks, block]
  const int out_rank = n.graph().value(codes).type.shape.rank();
  std::vector<int64_t> in_blocks(static_cast<size_t>(out_rank + 1), 0), flat(static_cast<size_t>(out_rank), 0);
  in_blocks[static_cast<size_t>(out_rank) - 1] = -1, in_blocks.back() = block, flat.back() = -1;
  const Dim width = n.graph().value(codes).type.shape[out_rank - 1];
  if (!width.known() || width.number() % block != 0) n.refuse("rows that are not whole blocks");
  ValueId v = shaped(n, cast(n, codes, DType::f32), in_blocks);
  const auto column = [&](ValueId x) { return n.emit("unsqueeze", Unsqueeze{{-1}}, {x}); };
  if (n.has(3)) {
    ValueId zero = input(n, 3);
    if (packed) {
      zero = rows(unpacked(n, zero, bits));
      const int last = n.graph().value(zero).type.shape.rank() - 1;
      zero = n.emit("slice", None{}, {zero, n.constant({0}), n.constant({width.number() / block}), n.constant({last})});
    } else {
      zero = rows(cast(n, zero, DType::f32));
    }
    v = f("sub", {v, column(cast(n, zero, DType::f32))});
  } else if (packed) {
    v = f("sub", {v, f.number(static_cast<double>(1 << (bits - 1)))});
  }
  return cast(n, shaped(n, f("mul", {v, column(scale)}), flat), dtype);
}

constexpr ImportRow kRows[] = {
    {"MatMulNBits", matmul_nbits, 1, kDomain},
    {"GatherBlockQuantized", gather_block_quantized, 1, kDomain},
};

}  // namespace

const ImportTable kCodedRows{kRows};

}  // namespace tenon::onnx
