// Strings.
#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "ops/strings.h"

namespace tenon::onnx {
namespace {

Values string_normalizer(const Import& n) {
  n.ignore("locale");
  return n.emit("string_normalize", n.attributes<StringNormalize>(), n.in);
}

constexpr ImportRow kRows[] = {
    TENON_AS("StringConcat", "string_concat", None),
    TENON_AS("StringSplit", "string_split", StringSplit),
    {"StringNormalizer", string_normalizer, 10},
    TENON_AS("RegexFullMatch", "regex_match", RegexMatch),
    TENON_AS("TfIdfVectorizer", "ngrams", Ngrams),
};

}  // namespace
const ImportTable kTextRows = kRows;
}  // namespace tenon::onnx
