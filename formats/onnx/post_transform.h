// What operators of ai.onnx.ml make of scores in the end, and the labels that classifiers choose
// from.
#pragma once

#include <string>

#include "formats/onnx/import.h"

namespace tenon::onnx {

enum class PostTransform { none, softmax, logistic, softmax_zero, probit };

// The attribute post_transform. Throws Error(bad_model) for another word.
PostTransform post_transform(const Import& n);
// `scores` [rows, classes] of type `dtype`, transformed along the last axis. SOFTMAX_ZERO leaves a
// score of 0 what it is; PROBIT is the inverse of the normal distribution function.
ValueId transformed(const Import& n, PostTransform transform, ValueId scores, DType dtype);

// What the score of the first of two classes is, where there is one score s, of the second class.
enum class OtherScore { rest, negated };  // 1 - s; -s

// Both scores, [rows, 2], of two classes with one score [rows, 1]. LOGISTIC gives those of -s and
// s; the softmaxes leave both as they are, as ONNX Runtime does.
ValueId two_scores(const Import& n, PostTransform transform, OtherScore other, ValueId score,
                   DType dtype);

// classlabels_<integers> or classlabels_strings, of which one is given.
struct Labels {
  ValueId list;  // s64 or string
  int64_t count;
};
Labels read_labels(const Import& n, const char* integers = "classlabels_ints");

// The label at each place; `places` is [rows], of integers.
ValueId labels_at(const Import& n, const Labels& labels, ValueId places);

}  // namespace tenon::onnx
