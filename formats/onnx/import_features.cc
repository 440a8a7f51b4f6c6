// Operators of ai.onnx.ml that prepare features: scaling, missing values, categories, labels, maps.
#include <algorithm>
#include <cmath>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/post_transform.h"
#include "ops/concat.h"
#include "ops/gather.h"
#include "ops/one_hot.h"
#include "ops/reduce.h"
#include "ops/reshape.h"
#include "ops/strings.h"

namespace tenon::onnx {
namespace {

void expect_numbers(const Import& n, int i) {
  const DType t = n.element(i);
  if (!is_real(t) && !is_integer(t))
    throw Error(Code::bad_model, "input " + std::to_string(i) + " holds " + std::string(name(t)) +
                                     ", expected numbers");
}

int expect_rank(const Import& n, int i, int least, int most) {
  const int rank = n.rank(i);
  if (rank < least || rank > most)
    throw Error(Code::bad_model, "input " + std::to_string(i) + " has rank " +
                                     std::to_string(rank) + ", expected " + std::to_string(least) +
                                     " or " + std::to_string(most) +
                                     " ([features] or [rows, features])");
  return rank;
}

// A list with one number for all features or one for each, which then are as many.
ValueId per_feature(const Import& n, const std::string& what, const std::vector<double>& values,
                    DType dtype) {
  const auto count = static_cast<int64_t>(values.size());
  expect(n.rank(0) > 0, "input 0 has an axis of features");
  const Dim features = n.type(0).shape[n.rank(0) - 1];
  if (count != 1 && features.known() && features.number() != count)
    throw Error(Code::bad_model, what + " has " + std::to_string(count) + " numbers, input 0 has " +
                                     std::to_string(features.number()) +
                                     " features; expected one number, or one a feature");
  if (count != 1 && !features.known())
    n.graph().guards->push_back({Guard::equal, features, Dim(count), what + " and features", ""});
  return add_constant(n, {count}, values, dtype);
}

std::vector<double> reals(const Import& n, const std::string& name) {
  const std::vector<float> values = n.reals(name);
  return {values.begin(), values.end()};
}

// Features in the type in which they are computed with: doubles as they are, all others as f32.
DType arithmetic(const Import& n) {
  expect_numbers(n, 0);
  return n.element(0) == DType::f64 ? DType::f64 : DType::f32;
}

Values scaler(const Import& n) {
  const DType dtype = arithmetic(n);
  const std::vector<double> offset = reals(n, "offset"), scale = reals(n, "scale");
  if (!offset.empty() && !scale.empty() && offset.size() != scale.size())
    throw Error(Code::bad_model, "offset has " + std::to_string(offset.size()) +
                                     " numbers and scale has " + std::to_string(scale.size()) +
                                     "; they are expected to be as many");
  const Formula f{n, dtype};
  ValueId v = cast(n, input(n, 0), dtype);
  if (!offset.empty()) v = f("sub", {v, per_feature(n, "offset", offset, dtype)});
  if (!scale.empty()) v = f("mul", {v, per_feature(n, "scale", scale, dtype)});
  return cast(n, v, DType::f32);
}

// A row whose norm is 0 stays what it is. MAX is the greatest number, whatever its sign.
Values normalizer(const Import& n) {
  const std::string norm = n.text("norm", "MAX");
  constexpr std::pair<const char*, Reduction> kNorms[] = {
      {"MAX", Reduction::max}, {"L1", Reduction::l1}, {"L2", Reduction::l2}};
  const auto found =
      std::find_if(std::begin(kNorms), std::end(kNorms), [&](auto& k) { return norm == k.first; });
  if (found == std::end(kNorms))
    throw Error(Code::bad_model, "norm \"" + printable(norm) + "\" is none of MAX, L1, L2");
  const DType dtype = arithmetic(n);
  expect_rank(n, 0, 1, 2);
  const Formula f{n, dtype};
  const ValueId v = cast(n, input(n, 0), dtype);
  const ValueId size = n.emit("reduce", Reduce{.kind = found->second, .axes = {-1}}, {v});
  const ValueId is_zero = f("equal", {size, f.number(0)});
  return cast(n, f("div", {v, f("where", {is_zero, f.number(1), size})}), DType::f32);
}

Values imputer(const Import& n) {
  expect_numbers(n, 0);
  const DType dtype = n.element(0);
  const bool real = is_real(dtype);
  const std::vector<int64_t> integers = n.integers("imputed_value_int64s");
  std::vector<double> imputed = reals(n, "imputed_value_floats");
  const auto replaced_real = static_cast<double>(n.real("replaced_value_float", 0));
  const int64_t replaced_integer = n.integer("replaced_value_int64", 0);
  if (!real) imputed.assign(integers.begin(), integers.end());
  if (imputed.empty())
    throw Error(Code::bad_model, std::string("imputed_value_") + (real ? "floats" : "int64s") +
                                     " is empty; input 0 holds " + std::string(name(dtype)));
  ValueId values;
  if (real) {
    values = per_feature(n, "imputed_value_floats", imputed, dtype);
  } else {
    per_feature(n, "imputed_value_int64s", imputed, DType::f64);  // counted
    values = cast(n, n.constant(integers), dtype);
  }
  const Formula f{n, dtype};
  const ValueId v = input(n, 0);
  ValueId is_missing;
  if (real && std::isnan(replaced_real)) is_missing = f("is_nan", {v});
  else if (real) is_missing = f("equal", {v, f.number(replaced_real)});
  else is_missing = f("equal", {v, cast(n, n.constant({replaced_integer}), dtype)});
  return f("where", {is_missing, values, v});
}

Values binarizer(const Import& n) {
  expect_numbers(n, 0);
  const auto threshold = static_cast<double>(n.real("threshold", 0));
  const DType dtype = n.element(0);
  // An integer is above a threshold where it is above the integer below it.
  const ValueId limit = n.scalar(is_real(dtype) ? threshold : std::floor(threshold), dtype);
  return cast(n, n.emit("greater", None{}, {input(n, 0), limit}), dtype);
}

ValueId real_list(const Import& n, const std::vector<float>& values) {
  return add_constant(n, {static_cast<int64_t>(values.size())},
                      std::vector<double>(values.begin(), values.end()), DType::f32);
}

std::vector<int64_t> counted(size_t count) {
  std::vector<int64_t> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<int64_t>(i);
  return out;
}

// Categories become places among them, and those one-hot rows. An unknown category is at a place
// beyond them all. Of categories that are listed twice the later place counts.
Values one_hot_encoder(const Import& n) {
  std::vector<int64_t> integers = n.integers("cats_int64s");
  std::vector<std::string> strings = n.texts("cats_strings");
  const bool zeros = n.integer("zeros", 1) != 0, texts = n.element(0) == DType::string;
  const size_t count = texts ? strings.size() : integers.size();
  if (!count)
    throw Error(Code::bad_model, std::string(texts ? "cats_strings" : "cats_int64s") +
                                     " is empty; input 0 holds " + std::string(name(n.element(0))));
  std::vector<int64_t> places = counted(count);
  std::reverse(places.begin(), places.end());
  std::reverse(integers.begin(), integers.end());
  std::reverse(strings.begin(), strings.end());
  const ValueId v = texts ? input(n, 0) : cast(n, input(n, 0), DType::s64);
  std::vector<ValueId> in{v, texts ? add_strings(n, strings) : n.constant(integers),
                          n.constant(places)};
  if (zeros) in.push_back(n.constant({static_cast<int64_t>(count)}));
  const ValueId place = n.emit("lookup", None{}, in);
  return n.emit("one_hot", OneHot{.axis = -1},
                {place, n.constant({static_cast<int64_t>(count)}), real_list(n, {0, 1})});
}

// Columns of all inputs, one after the other. A list is one row.
Values feature_vectorizer(const Import& n) {
  const std::vector<int64_t> sizes = n.integers("inputdimensions");
  if (!sizes.empty() && sizes.size() != n.in.size())
    throw Error(Code::bad_model, "inputdimensions has " + std::to_string(sizes.size()) +
                                     " numbers for " + std::to_string(n.in.size()) + " inputs");
  std::vector<ValueId> columns;
  for (size_t i = 0; i < n.in.size(); ++i) {
    const int at = static_cast<int>(i);
    expect_numbers(n, at);
    const int rank = expect_rank(n, at, 1, 2);
    const Dim width = n.type(at).shape[rank - 1];
    if (!sizes.empty() && width.known() && width.number() != sizes[i])
      throw Error(Code::bad_model,
                  "input " + std::to_string(i) + " has " + std::to_string(width.number()) +
                      " columns, inputdimensions says " + std::to_string(sizes[i]));
    ValueId v = cast(n, input(n, at), DType::f32);
    if (rank == 1) v = n.emit("reshape", Reshape{}, {v, n.constant({1, -1})});
    columns.push_back(v);
  }
  expect(!columns.empty(), "FeatureVectorizer has inputs");
  return columns.size() == 1 ? columns[0] : n.emit("concat", Concat{1}, columns);
}

// Of categories that are listed twice the later one counts.
Values category_mapper(const Import& n) {
  std::vector<int64_t> numbers = n.integers("cats_int64s");
  std::vector<std::string> words = n.texts("cats_strings");
  if (numbers.size() != words.size())
    throw Error(Code::bad_model, "cats_int64s has " + std::to_string(numbers.size()) +
                                     " elements and cats_strings " + std::to_string(words.size()));
  std::reverse(numbers.begin(), numbers.end());
  std::reverse(words.begin(), words.end());
  const std::string absent_word = n.text("default_string", "_Unused");
  const int64_t absent_number = n.integer("default_int64", -1);
  const ValueId texts = add_strings(n, words), integers = n.constant(numbers);
  if (n.element(0) == DType::string)
    return n.emit("lookup", None{}, {input(n, 0), texts, integers, n.constant({absent_number})});
  const ValueId v = cast(n, input(n, 0), DType::s64);
  return n.emit("lookup", None{}, {v, integers, texts, add_strings(n, {absent_word})});
}

// The list that an attribute of one of the element types, or a tensor, holds.
ValueId label_list(const Import& n, const std::string& name) {
  if (n.find(name + "_tensor"))
    return n.emit("reshape", Reshape{}, {n.tensor(name + "_tensor"), n.constant({-1})});
  if (n.find(name + "_strings")) return add_strings(n, n.texts(name + "_strings"));
  if (n.find(name + "_int64s")) return n.constant(n.integers(name + "_int64s"));
  if (!n.find(name + "_floats"))
    throw Error(Code::bad_model, "there is no " + name + "_strings, " + name + "_int64s, " + name +
                                     "_floats or " + name + "_tensor");
  return real_list(n, n.reals(name + "_floats"));
}

// Before version 2 one list of words stood for words and for their places in it.
Values word_encoder(const Import& n) {
  const std::vector<std::string> words = n.texts("classes_strings");
  const ValueId texts = add_strings(n, words), places = n.constant(counted(words.size()));
  const ValueId no_place = n.constant({n.integer("default_int64", -1)});
  const ValueId no_text = add_strings(n, {n.text("default_string", "_Unused")});
  if (n.element(0) == DType::string)
    return n.emit("lookup", None{}, {input(n, 0), texts, places, no_place});
  return n.emit("lookup", None{}, {input(n, 0), places, texts, no_text});
}

Values label_encoder(const Import& n) {
  const ValueId keys = label_list(n, "keys"), values = label_list(n, "values");
  const DType to = n.graph().value(values).type.dtype;
  const std::string text = n.text("default_string", "_Unused");
  const int64_t number = n.integer("default_int64", -1);
  const float real = n.real("default_float", -0.0f);
  ValueId absent;
  if (n.find("default_tensor"))
    absent = n.emit("reshape", Reshape{}, {n.tensor("default_tensor"), n.constant({-1})});
  else if (to == DType::string) absent = add_strings(n, {text});
  else if (is_real(to)) absent = n.scalar(static_cast<double>(real), to);
  else absent = cast(n, n.constant({number}), to);
  return n.emit("lookup", None{}, {input(n, 0), keys, values, absent});
}

Values array_feature_extractor(const Import& n) {
  const ValueId places = n.emit("reshape", Reshape{}, {input(n, 1), n.constant({-1})});
  const ValueId picked = n.emit("gather", Gather{-1}, {input(n, 0), places});
  return n.rank(0) == 1 ? n.emit("reshape", Reshape{}, {picked, n.constant({1, -1})}) : picked;
}

Values zip_map(const Import& n) {
  const Labels labels = read_labels(n, "classlabels_int64s");
  return n.emit("zip_map", None{}, {input(n, 0), labels.list});
}

Values dict_vectorizer(const Import& n) {
  const std::vector<int64_t> numbers = n.integers("int64_vocabulary");
  const std::vector<std::string> words = n.texts("string_vocabulary");
  if (numbers.empty() == words.empty())
    throw Error(Code::bad_model,
                "DictVectorizer has one vocabulary: string_vocabulary or "
                "int64_vocabulary");
  const ValueId keys = words.empty() ? n.constant(numbers) : add_strings(n, words);
  return n.emit("map_lookup", None{}, {input(n, 0), keys});
}

Values cast_map(const Import& n) {
  const std::string to = n.text("cast_to", "TO_FLOAT"), form = n.text("map_form", "DENSE");
  const int64_t most = n.integer("max_map", 1);
  constexpr std::pair<const char*, DType> kTypes[] = {
      {"TO_FLOAT", DType::f32}, {"TO_INT64", DType::s64}, {"TO_STRING", DType::string}};
  const auto type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto& t) { return to == t.first; });
  if (type == std::end(kTypes))
    throw Error(Code::bad_model, "cast_to \"" + printable(to) +
                                     "\" is none of TO_FLOAT, "
                                     "TO_STRING, TO_INT64");
  if (form == "DENSE") return cast(n, n.emit("map_values", None{}, {input(n, 0)}), type->second);
  if (form != "SPARSE")
    throw Error(Code::bad_model,
                "map_form \"" + printable(form) + "\" is neither DENSE nor SPARSE");
  constexpr int64_t kMostKeys = 1 << 24;
  if (most < 1 || most > kMostKeys)
    throw Error(Code::bad_model, "max_map is " + std::to_string(most) + ", expected 1 to " +
                                     std::to_string(kMostKeys));
  const ValueId keys = n.constant(counted(static_cast<size_t>(most)));
  return cast(n, n.emit("map_lookup", None{}, {input(n, 0), keys}), type->second);
}

constexpr std::string_view kMl = "ai.onnx.ml";

constexpr ImportRow kRows[] = {
    {"Scaler", scaler, 1, kMl},
    {"Normalizer", normalizer, 1, kMl},
    {"Imputer", imputer, 1, kMl},
    {"Binarizer", binarizer, 1, kMl},
    {"OneHotEncoder", one_hot_encoder, 1, kMl},
    {"FeatureVectorizer", feature_vectorizer, 1, kMl},
    {"CategoryMapper", category_mapper, 1, kMl},
    {"LabelEncoder", word_encoder, 1, kMl},
    {"LabelEncoder", label_encoder, 2, kMl},
    {"ArrayFeatureExtractor", array_feature_extractor, 1, kMl},
    {"ZipMap", zip_map, 1, kMl},
    {"DictVectorizer", dict_vectorizer, 1, kMl},
    {"CastMap", cast_map, 1, kMl},
};

}  // namespace
const ImportTable kFeatureRows = kRows;
}  // namespace tenon::onnx
