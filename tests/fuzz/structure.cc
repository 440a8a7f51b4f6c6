// Fuzzes what is done with models that are well-formed protobuf: each input is a model, and each mutation changes one
// thing in its structure. Loads it, looks at it, and runs it by the reference and by a plan.
#include "base/error.h"
#include "formats/onnx/writer.h"
#include "harness/onnx_mutation.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t room);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  tenon::onnx::use_model(bytes, bytes.find("Loop") == std::string::npos);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t room, unsigned seed) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  try {
    tenon::onnx::Storage storage;
    tenon::onnx::Model model = tenon::onnx::parse_model(bytes);
    if (tenon::onnx::mutate(model, seed, storage)) {
      const std::string changed = tenon::onnx::write_model(model);
      if (changed.size() <= room) {
        changed.copy(reinterpret_cast<char*>(data), changed.size());
        return changed.size();
      }
    }
  } catch (const tenon::Error&) {}
  return LLVMFuzzerMutate(data, size, room);
}
