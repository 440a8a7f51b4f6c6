// The data of a sealed file as the place where constants come from.
#pragma once

#include "formats/seal/seal.h"
#include "formats/weights.h"

namespace tenon::seal {

// Never a view: every read is authenticated and decrypted straight into its destination. Offsets count in the data plaintext, where
// blob i begins at blobs()[i].offset. The file stays open as long as the source.
std::shared_ptr<const WeightSource> make_sealed_source(std::shared_ptr<const SealedFile> file);

}  // namespace tenon::seal
