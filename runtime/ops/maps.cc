// Maps of ai.onnx.ml. A map is an Array of two lists: its keys (s64 or strings), each once and in
// increasing order, and their values.
#include <algorithm>
#include <map>

#include "ops/op.h"

namespace tenon {
namespace {

void expect_map(const Inference& n, int i) {
  n.expect(n.type(i).container == Container::map, "input " + std::to_string(i) + " is a map");
}

void expect_keys(const Inference& n, int i) {
  n.expect(n.type(i).container == Container::tensor, "the keys are a tensor");
  n.expect_rank(i, 1);
  n.expect(n.dtype(i) == DType::s64 || n.dtype(i) == DType::string,
           "the keys of a map are s64 or strings");
}

// The two lists of a map. What a caller gave may be none.
std::pair<const Array&, const Array&> lists_of(const Array& map) {
  const auto is_list = [](const Array& a) {
    return a.container == Container::tensor && a.rank() == 1;
  };
  if (map.items.size() != 2 || !is_list(map.items[0]) || !is_list(map.items[1]))
    throw Error(Code::bad_input, "a map is a list of keys and a list of values");
  const Array &keys = map.items[0], &values = map.items[1];
  if (keys.count() != values.count())
    throw Error(Code::bad_input, "a map has " + std::to_string(keys.count()) + " keys and " +
                                     std::to_string(values.count()) + " values");
  return {keys, values};
}

bool key_less(const Array& a, int64_t i, const Array& b, int64_t j) {
  if (a.dtype == DType::string)
    return a.strings[static_cast<size_t>(i)] < b.strings[static_cast<size_t>(j)];
  return a.integer(i) < b.integer(j);
}

// The places of the keys in increasing order. Of equal keys the last one counts.
std::vector<int64_t> sorted(const Array& keys) {
  std::vector<int64_t> order(static_cast<size_t>(keys.count()));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t i, int64_t j) { return key_less(keys, i, keys, j); });
  std::vector<int64_t> out;
  for (int64_t i : order) {
    if (!out.empty() && !key_less(keys, out.back(), keys, i)) out.back() = i;
    else out.push_back(i);
  }
  return out;
}

// zip_map: one map a row, from each key to the row's element at the place of the key. Sources: src
// [rows, keys] or [keys], keys [keys].
void infer_zip(Inference& n) {
  n.expect_inputs(2, 2);
  n.expect(n.type(0).container == Container::tensor, "src of zip_map is a tensor");
  n.expect(n.rank(0) == 1 || n.rank(0) == 2, "src of zip_map is a list or has rows");
  expect_keys(n, 1);
  n.equal(n.size(0, -1), n.size(1, 0), "elements of a row and keys of zip_map");
  Type t;
  t.dtype = n.dtype(0);
  t.key = n.dtype(1);
  t.container = Container::map_sequence;
  t.items = Items::any;
  n.result(std::move(t));
}

void reference_zip(Reference& n) {
  const Array &src = *n.in[0], &keys = *n.in[1];
  const std::vector<int64_t> order = sorted(keys);
  const auto count = static_cast<int64_t>(order.size());
  Array key_list(keys.dtype, {count});
  for (int64_t i = 0; i < count; ++i) key_list.move(i, keys, order[static_cast<size_t>(i)]);
  const int64_t rows = src.rank() == 2 ? src.size(0) : 1;
  for (int64_t row = 0; row < rows; ++row) {
    Array values(src.dtype, {count});
    for (int64_t i = 0; i < count; ++i)
      values.move(i, src, row * keys.count() + order[static_cast<size_t>(i)]);
    Array map;
    map.dtype = src.dtype;
    map.container = Container::map;
    map.items = {key_list, std::move(values)};
    n.out[0].items.push_back(std::move(map));
  }
}

// map_lookup: the values of a map at given keys, as one row; 0 (of strings "") at a key that the
// map lacks. Sources: map, keys [keys].
void infer_lookup(Inference& n) {
  n.expect_inputs(2, 2);
  expect_map(n, 0);
  expect_keys(n, 1);
  n.expect(n.type(0).key == n.dtype(1), "the map has keys of the type that is looked up");
  n.result(n.dtype(0), {1, n.size(1, 0)});
}

void reference_lookup(Reference& n) {
  const auto [keys, values] = lists_of(*n.in[0]);
  const Array& wanted = *n.in[1];
  if (keys.dtype != wanted.dtype)
    throw Error(Code::bad_input, "the keys of the map are " + std::string(name(keys.dtype)) +
                                     ", expected " + std::string(name(wanted.dtype)));
  const auto less = [](const std::pair<const Array*, int64_t>& a,
                       const std::pair<const Array*, int64_t>& b) {
    return key_less(*a.first, a.second, *b.first, b.second);
  };
  std::map<std::pair<const Array*, int64_t>, int64_t, decltype(less)> places(less);
  for (int64_t i = 0; i < keys.count(); ++i) places[{&keys, i}] = i;
  for (int64_t i = 0; i < wanted.count(); ++i)
    if (const auto found = places.find({&wanted, i}); found != places.end())
      n.out[0].move(i, values, found->second);
}

// map_values: all values of a map in the order of its keys, as one row.
void infer_values(Inference& n) {
  n.expect_inputs(1, 1);
  expect_map(n, 0);
  n.result(n.dtype(0), {1, n.data()});
}

void reference_values(Reference& n) {
  const auto [keys, values] = lists_of(*n.in[0]);
  const std::vector<int64_t> order = sorted(keys);
  n.out[0].resize({1, static_cast<int64_t>(order.size())});
  for (size_t i = 0; i < order.size(); ++i)
    n.out[0].move(static_cast<int64_t>(i), values, order[i]);
}

}  // namespace
const Op ops::zip_map{
    .name = "zip_map", .infer = infer_zip, .reference = reference_zip, .takes = kStrings};
const Op ops::map_lookup{.name = "map_lookup",
                         .infer = infer_lookup,
                         .reference = reference_lookup,
                         .takes = kStrings | kContainers};
const Op ops::map_values{.name = "map_values",
                         .infer = infer_values,
                         .reference = reference_values,
                         .takes = kStrings | kContainers};
}  // namespace tenon
