// Strings and labels.
#include <cmath>

#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/gather.h"
#include "ops/reshape.h"
#include "ops/strings.h"

namespace tenon::onnx {
namespace {

Values string_normalizer(const Import& n) {
  n.ignore("locale");
  return n.emit("string_normalize", n.attributes<StringNormalize>(), n.in);
}

ValueId real_list(const Import& n, const std::vector<float>& values) {
  return add_constant(n, {static_cast<int64_t>(values.size())}, std::vector<double>(values.begin(), values.end()), DType::f32);
}

// The list that an attribute of one of the element types, or a tensor, holds.
ValueId label_list(const Import& n, const std::string& name) {
  if (n.find(name + "_tensor")) return n.emit("reshape", Reshape{}, {n.tensor(name + "_tensor"), n.constant({-1})});
  if (n.find(name + "_strings")) return add_strings(n, n.texts(name + "_strings"));
  if (n.find(name + "_int64s")) return n.constant(n.integers(name + "_int64s"));
  expect(n.find(name + "_floats"), "LabelEncoder has " + name);
  return real_list(n, n.reals(name + "_floats"));
}

// Before version 2 one list of words stood for words and for their places in it.
Values word_encoder(const Import& n) {
  const std::vector<std::string> words = n.texts("classes_strings");
  std::vector<int64_t> places;
  for (size_t i = 0; i < words.size(); ++i) places.push_back(static_cast<int64_t>(i));
  const ValueId texts = add_strings(n, words), numbers = n.constant(places);
  const ValueId no_number = n.constant({n.integer("default_int64", -1)}), no_text = add_strings(n, {n.text("default_string", "_Unused")});
  const bool from_text = n.element(0) == DType::string;
  return n.emit("lookup", None{}, {input(n, 0), from_text ? texts : numbers, from_text ? numbers : texts, from_text ? no_number : no_text});
}

Values label_encoder(const Import& n) {
  const ValueId keys = label_list(n, "keys"), values = label_list(n, "values");
  const DType to = n.graph().value(values).type.dtype;
  const std::string text = n.text("default_string", "_Unused");
  const int64_t number = n.integer("default_int64", -1);
  const float real = n.real("default_float", -0.0f);
  ValueId absent;
  if (n.find("default_tensor")) absent = n.emit("reshape", Reshape{}, {n.tensor("default_tensor"), n.constant({-1})});
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

Values binarizer(const Import& n) {
  return cast(n, n.emit("greater", None{}, {input(n, 0), n.scalar(static_cast<double>(n.real("threshold", 0)), n.element(0))}), n.element(0));
}

constexpr std::string_view kMl = "ai.onnx.ml";

constexpr ImportRow kRows[] = {
    TENON_AS("StringConcat", "string_concat", None),
    TENON_AS("StringSplit", "string_split", StringSplit),
    {"StringNormalizer", string_normalizer, 10},
    TENON_AS("RegexFullMatch", "regex_match", RegexMatch),
    TENON_AS("TfIdfVectorizer", "ngrams", Ngrams),
    {"LabelEncoder", word_encoder, 1, kMl},
    {"LabelEncoder", label_encoder, 2, kMl},
    {"ArrayFeatureExtractor", array_feature_extractor, 1, kMl},
    {"Binarizer", binarizer, 1, kMl},
};

}  // namespace
const ImportTable kTextRows = kRows;
}  // namespace tenon::onnx
