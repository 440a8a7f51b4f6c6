#include "formats/onnx/data.h"

#include <cstring>
#include <protozero/pbf_writer.hpp>

#include "base/error.h"
#include "formats/onnx/writer.h"
#include "formats/weights.h"

namespace tenon::onnx {
namespace {

// Field numbers of SequenceProto and OptionalProto in onnx-data.proto; those of their kinds are alike.
enum : uint32_t { kName = 1, kKind = 2, kTensor = 3, kSparse = 4, kSequence = 5, kMap = 6, kOptional = 7 };
enum : int32_t { kOfTensors = 1, kOfSequences = 3 };

[[noreturn]] void refuse_kind(const char* what, uint32_t field) {
  throw Error(Code::not_supported, std::string(what) + " of " +
                                       (field == kSparse     ? "sparse tensors"
                                        : field == kMap      ? "maps"
                                        : field == kSequence ? "sequences"
                                                             : "optionals"));
}

void read_sequence(Bytes bytes, DataValue& out, const LoadLimits& limits) {
  for (Wire w(bytes, "a sequence"); w.next();) switch (w.field()) {
      case kName: out.name = w.name(); break;
      case kTensor: {
        if (static_cast<int64_t>(out.tensors.size()) >= limits.tensors)
          throw Error(Code::limit, "more than " + std::to_string(limits.tensors) + " tensors (limit tensors)");
        const Bytes tensor = w.bytes();
        out.tensors.push_back(
            within([&] { return "tensor " + std::to_string(out.tensors.size()); }, [&] { return owned(parse_tensor(tensor), limits); }));
        break;
      }
      case kSparse:
      case kSequence:
      case kMap:
      case kOptional: refuse_kind("a sequence", w.field());
      default: w.skip();
    }
}

void read_optional(Bytes bytes, DataValue& out, const LoadLimits& limits) {
  out.present = false;
  for (Wire w(bytes, "an optional"); w.next();) switch (w.field()) {
      case kName: out.name = w.name(); break;
      case kTensor:
      case kSequence: {
        if (out.present) throw Error(Code::bad_model, "an optional has two values");
        if ((w.field() == kSequence) != (out.container == Container::optional_sequence))
          throw Error(Code::bad_model, w.field() == kSequence ? "an optional holds a sequence, a tensor was expected"
                                                              : "an optional holds a tensor, a sequence was expected");
        out.present = true;
        const std::string name = std::move(out.name);
        if (w.field() == kSequence) read_sequence(w.bytes(), out, limits);
        else out.tensors.push_back(owned(parse_tensor(w.bytes()), limits));
        out.name = name;
        break;
      }
      case kSparse:
      case kMap:
      case kOptional: refuse_kind("an optional", w.field());
      default: w.skip();
    }
}

std::string write_sequence(const DataValue& value, std::string_view name) {
  std::string out;
  protozero::pbf_writer w(out);
  w.add_bytes(kName, name.data(), name.size());
  w.add_enum(kKind, kOfTensors);
  for (const OwnedTensor& t : value.tensors) w.add_message(kTensor, write_tensor(t.view(), ""));
  return out;
}

}  // namespace

DataValue read_value(Bytes bytes, Container container, const LoadLimits& limits) {
  if (static_cast<int64_t>(bytes.size()) > limits.bytes)
    throw Error(Code::limit, "the file has more than " + std::to_string(limits.bytes) + " bytes (limit bytes)");
  DataValue out;
  out.container = container;
  if (container == Container::sequence) {
    read_sequence(bytes, out, limits);
  } else if (container == Container::tensor) {
    const TensorView t = parse_tensor(bytes);
    out.name = t.name;
    out.tensors.push_back(owned(t, limits));
  } else {
    read_optional(bytes, out, limits);
  }
  return out;
}

DataValue load_value(const std::string& path, Container container, const LoadLimits& limits) {
  return within([&] { return "cannot read " + printable(path); },
                [&] {
                  const auto file = map_file(path);
                  return read_value({static_cast<const char*>(file->view(0, file->bytes())), static_cast<size_t>(file->bytes())}, container, limits);
                });
}

std::string write_value(const DataValue& value) {
  if (value.container == Container::tensor) return write_tensor(value.tensors.at(0).view(), value.name);
  if (value.container == Container::sequence) return write_sequence(value, value.name);
  std::string out;
  protozero::pbf_writer w(out);
  w.add_string(kName, value.name);
  const bool sequence = value.container == Container::optional_sequence;
  w.add_enum(kKind, sequence ? kOfSequences : kOfTensors);
  if (value.present && sequence) w.add_message(kSequence, write_sequence(value, ""));
  else if (value.present) w.add_message(kTensor, write_tensor(value.tensors.at(0).view(), ""));
  return out;
}

OwnedTensor owned(const TensorView& t, const LoadLimits& limits) {
  if (dtype_of(t.data_type) == DType::string) {
    const std::vector<std::string_view> strings = string_elements(t, limits);
    OwnedTensor out(DType::string, t.dims);
    for (size_t i = 0; i < strings.size(); ++i) out.as<std::string>()[i] = strings[i];
    return out;
  }
  const std::vector<char> data = elements(t, limits);
  OwnedTensor out(dtype_of(t.data_type), t.dims);
  if (!data.empty()) std::memcpy(out.data(), data.data(), data.size());
  return out;
}

std::string write_tensor(const Tensor& tensor, std::string_view name) {
  TensorView t;
  t.name = name;
  t.dims = tensor.shape;
  t.data_type = data_type_of(tensor.dtype);
  if (tensor.dtype != DType::string) {
    t.has_raw = true;
    t.raw = {tensor.as<char>(), static_cast<size_t>(tensor.bytes())};
    return write_tensor(t);
  }
  std::string out = write_tensor(t);
  protozero::pbf_writer w(out);
  for (int64_t i = 0; i < tensor.count(); ++i) w.add_string(6, tensor.as<std::string>()[i]);
  return out;
}

}  // namespace tenon::onnx
