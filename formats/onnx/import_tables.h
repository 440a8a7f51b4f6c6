// The tables of import rows, one a group.
#pragma once

#include "formats/onnx/import.h"

namespace tenon::onnx {

extern const ImportTable kMovementRows, kShapeRows, kMathRows, kNnRows, kReduceRows, kRecurrentRows, kQuantisedRows, kMlRows, kMicrosoftRows,
    kSequenceRows, kAttentionRows, kMicrosoftAttentionRows, kCodedRows, kTrainingRows, kTextRows, kSignalRows, kVisionRows, kRandomRows, kFeatureRows,
    kLinearRows;

inline std::vector<ImportTable> import_tables() {
  return {kMovementRows,  kShapeRows,    kMathRows,      kNnRows,       kReduceRows,    kRecurrentRows,
          kQuantisedRows, kMlRows,       kMicrosoftRows, kSequenceRows, kAttentionRows, kMicrosoftAttentionRows,
          kCodedRows,     kTrainingRows, kTextRows,      kSignalRows,   kVisionRows,    kRandomRows,
          kFeatureRows,   kLinearRows};
}

}  // namespace tenon::onnx
