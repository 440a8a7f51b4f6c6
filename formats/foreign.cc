#include "formats/foreign.h"

namespace tenon {
namespace {

using namespace std::string_view_literals;

bool has(std::string_view head, std::string_view text) { return head.find(text) != std::string_view::npos; }
bool at(std::string_view head, size_t offset, std::string_view text) { return head.size() >= offset && head.substr(offset, text.size()) == text; }
bool begins(std::string_view head, std::string_view text) { return at(head, 0, text); }

bool is_zip(std::string_view head) { return begins(head, "PK\3\4"sv) || begins(head, "PK\5\6"sv); }
// Protocols 2 to 5, and what the older ones, which are text, mostly begin with.
bool is_pickle(std::string_view head) {
  return (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5) || begins(head, "ccopy_reg\n"sv) || begins(head, "(dp"sv) ||
         begins(head, "(lp"sv);
}
bool is_compressed(std::string_view head) {
  return begins(head, "\x1f\x8b"sv) || begins(head, "\x78\x01"sv) || begins(head, "\x78\x5e"sv) || begins(head, "\x78\x9c"sv) ||
         begins(head, "\x78\xda"sv) || begins(head, "\xfd\x37zXZ\0"sv) || begins(head, "\x04\x22\x4d\x18"sv) || begins(head, "\x28\xb5\x2f\xfd"sv) ||
         (begins(head, "BZh"sv) && at(head, 4, "1AY&SY"sv));
}
// u64 bytes of a JSON object, which follows.
bool is_safetensors(std::string_view head) {
  return head.size() > 10 && at(head, 5, "\0\0\0{"sv) && (head[9] == '"' || head[9] == ' ' || head[9] == '}');
}
bool is_picture(std::string_view head) {
  return begins(head, "\x89PNG\r\n"sv) || begins(head, "\xff\xd8\xff"sv) || begins(head, "GIF87a"sv) || begins(head, "GIF89a"sv) ||
         (begins(head, "BM"sv) && at(head, 6, "\0\0\0\0"sv)) || (begins(head, "RIFF"sv) && at(head, 8, "WEBP"sv)) || begins(head, "II*\0"sv) ||
         begins(head, "MM\0*"sv);
}
bool is_markup(std::string_view head) {
  while (!head.empty() && (head[0] == ' ' || head[0] == '\n' || head[0] == '\r' || head[0] == '\t')) head.remove_prefix(1);
  return begins(head, "<!DOCTYPE html"sv) || begins(head, "<!doctype html"sv) || begins(head, "<html"sv);
}

struct Row {
  bool (*recognises)(std::string_view head);
  ForeignFormat format;
};

constexpr const char* kFromTorch = "load it in PyTorch and export it: torch.onnx.export(model.eval(), inputs, \"model.onnx\", dynamo=True)";
constexpr const char* kFromSklearn =
    "if it holds a scikit-learn model, convert it: skl2onnx.to_onnx(joblib.load(file), rows[:1]).SerializeToString(); "
    "if it holds a PyTorch model, torch.onnx.export";

// What a row recognises, the rows before it did not.
constexpr Row kRows[] = {
    {[](std::string_view h) { return begins(h, "version https://git-lfs"sv); },
     {"a pointer of Git LFS, which stands for the file", "fetch the file itself: git lfs pull"}},
    {is_markup, {"a web page", "it was probably saved in place of the model; download the file itself"}},
    {[](std::string_view h) {
       return is_zip(h) && (has(h, "data.pkl"sv) || has(h, "constants.pkl"sv) || has(h, "serialized_exported_program"sv) || has(h, "/byteorder"sv));
     },
     {"a PyTorch file (.pt, .pth)", kFromTorch}},
    {[](std::string_view h) { return is_zip(h) && has(h, ".npy"sv); },
     {"a NumPy archive (.npz), which holds tensors and no model", "give it by --inputs, and a model as MODEL"}},
    {[](std::string_view h) { return is_zip(h) && (has(h, "metadata.json"sv) || has(h, "config.json"sv)); },
     {"a Keras model (.keras)", "load it in Keras and export it: model.export(\"model.onnx\", format=\"onnx\")"}},
    {[](std::string_view h) { return is_zip(h) && has(h, "schema.json"sv); },
     {"a scikit-learn model (.skops)", "load it and convert it with skl2onnx.to_onnx"}},
    {is_zip, {"a zip archive", "unpack it and give the .onnx file inside"}},
    {[](std::string_view h) { return is_pickle(h) && (has(h, "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv) || has(h, "torch"sv)); },
     {"a PyTorch file (.pt, .pth)", kFromTorch}},
    {[](std::string_view h) { return is_pickle(h) && (has(h, "sklearn"sv) || has(h, "joblib"sv)); },
     {"a scikit-learn model (.pkl, .joblib)", "load it and convert it: skl2onnx.to_onnx(model, rows[:1]).SerializeToString()"}},
    {is_pickle, {"a Python pickle (.pkl, .joblib)", kFromSklearn}},
    {is_compressed, {"a compressed file", "unpack it; a .joblib file is read by joblib.load, and skl2onnx.to_onnx converts what it holds"}},
    {[](std::string_view h) { return at(h, 4, "TFL3"sv); },
     {"a TensorFlow Lite model (.tflite)", "convert it: python -m tf2onnx.convert --tflite model.tflite --output model.onnx"}},
    {[](std::string_view h) { return at(h, 4, "ORTM"sv); },
     {"a model in ONNX Runtime's own format (.ort)", "give the .onnx file that it was made from"}},
    {[](std::string_view h) { return begins(h, "\x89HDF\r\n\x1a\n"sv); },
     {"an HDF5 file (.h5), as Keras wrote", "load it in Keras and export it: model.export(\"model.onnx\", format=\"onnx\")"}},
    {is_safetensors,
     {"a safetensors file, which holds weights and no graph",
      "load the weights into their model in PyTorch and export that: torch.onnx.export, or optimum-cli export onnx"}},
    {[](std::string_view h) { return begins(h, "GGUF"sv) || begins(h, "lmgg"sv) || begins(h, "tjgg"sv); },
     {"a GGUF file of llama.cpp, which holds weights and no graph",
      "export the model that it was made from: optimum-cli export onnx --model NAME FOLDER"}},
    {[](std::string_view h) { return begins(h, "\x93NUMPY"sv); },
     {"a NumPy array (.npy), which holds a tensor and no model", "give it by --input NAME=FILE, and a model as MODEL"}},
    {[](std::string_view h) { return begins(h, "RIFF"sv) && at(h, 8, "WAVE"sv); },
     {"a sound (.wav)", "give it by --input NAME=FILE, and a model as MODEL"}},
    {is_picture, {"a picture", "give it by --image NAME=FILE, and a model as MODEL"}},
    {[](std::string_view h) { return begins(h, "<?xml"sv) && has(h, "<net"sv); },
     {"a model of OpenVINO (.xml)", "give the .onnx file that it was made from"}},
    {[](std::string_view h) { return begins(h, "7767517\n"sv); }, {"a model of ncnn (.param)", "give the .onnx file that it was made from"}},
    {[](std::string_view h) { return begins(h, "ptrt"sv) || begins(h, "ftrt"sv); },
     {"an engine of TensorRT", "give the .onnx file that it was made from"}},
    {[](std::string_view h) { return begins(h, "tree\n"sv) && has(h, "num_class"sv); },
     {"a LightGBM model in text", "convert it: onnxmltools.convert_lightgbm"}},
    {[](std::string_view h) { return begins(h, "{\"learner\""sv) || begins(h, "{L\0\0\0\0\0\0\0\x07learner"sv); },
     {"an XGBoost model", "convert it: onnxmltools.convert_xgboost"}},
    {[](std::string_view h) { return begins(h, "{"sv) || begins(h, "["sv); }, {"text, perhaps JSON", "give the .onnx file"}},
};

}  // namespace

const ForeignFormat* foreign_format(std::string_view head) {
  for (const Row& row : kRows)
    if (row.recognises(head)) return &row.format;
  return nullptr;
}

}  // namespace tenon
