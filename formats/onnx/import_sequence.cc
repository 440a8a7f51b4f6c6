// Sequences and optionals.
#include "formats/onnx/constants.h"
#include "formats/onnx/import_tables.h"
#include "formats/onnx/model.h"
#include "ops/sequence.h"

namespace tenon::onnx {
namespace {

Values sequence_empty(const Import& n) { return n.emit("sequence_empty", SequenceEmpty{n.dtype("dtype", DType::f32)}, {}); }

Values split_to_sequence(const Import& n) {
  auto a = n.attributes<SplitToSequence>();
  if (n.has(1)) a.keepdims = true;  // it counts only where each part has one element by default
  return n.emit("split_to_sequence", a, n.in);
}

Values optional(const Import& n) {
  Optional a;
  if (const AttributeView* type = n.node.find("type")) {
    n.ignore("type");
    expect(type->types.size() == 1 && !n.has(0), "an empty Optional has a type, another has an input");
    const TypeView* t = &type->types[0];
    a.sequence = t->kind == TypeView::sequence;
    if (a.sequence) t = &t->inner[0];
    if (t->kind != TypeView::tensor) n.refuse("an Optional of anything but tensors and sequences of tensors");
    a.dtype = dtype_of(t->element);
  }
  return n.emit("optional", a, n.in);
}

constexpr ImportRow kRows[] = {
    TENON_AS("SequenceConstruct", "sequence_construct", None),
    {"SequenceEmpty", sequence_empty},
    TENON_AS("SequenceAt", "sequence_at", None),
    TENON_AS("SequenceInsert", "sequence_insert", None),
    TENON_AS("SequenceErase", "sequence_erase", None),
    TENON_AS("SequenceLength", "sequence_length", None),
    {"SplitToSequence", split_to_sequence},
    TENON_AS("ConcatFromSequence", "concat_from_sequence", ConcatFromSequence),
    {"Optional", optional},
    TENON_AS("OptionalHasElement", "optional_has_element", None),
    TENON_AS("OptionalGetElement", "optional_get_element", None),
};

}  // namespace
const ImportTable kSequenceRows = kRows;
}  // namespace tenon::onnx
