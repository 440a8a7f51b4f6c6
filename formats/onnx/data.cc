#include "formats/onnx/data.h"

#include <algorithm>
#include <cstring>
#include <protozero/pbf_writer.hpp>

#include "base/error.h"
#include "formats/onnx/writer.h"
#include "formats/weights.h"

namespace tenon::onnx {
namespace {

// Field numbers of SequenceProto and OptionalProto in onnx-data.proto; those of their kinds are alike.
enum : uint32_t { kName = 1, kKind = 2, kTensor = 3, kSparse = 4, kSequence = 5, kMap = 6, kOptional = 7 };
enum : int32_t { kOfTensors = 1, kOfSequences = 3, kOfMaps = 4 };
// And those of MapProto.
enum : uint32_t { kKeyType = 2, kKeys = 3, kStringKeys = 4, kValues = 5 };

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

// Lists of keys and of values that MapProto holds; a value is a tensor of one element.
void read_map(Bytes bytes, DataValue& out, const LoadLimits& limits) {
  std::vector<int64_t> integers;
  std::vector<std::string> strings;
  DataValue values;
  DType key = DType::none;
  for (Wire w(bytes, "a map"); w.next();) switch (w.field()) {
      case kName: out.name = w.name(); break;
      case kKeyType: key = dtype_of(static_cast<int32_t>(std::clamp<int64_t>(w.integer(), 0, INT32_MAX))); break;
      case kKeys: w.integers([&](int64_t k) { integers.push_back(k); }); break;
      case kStringKeys: strings.emplace_back(w.bytes()); break;
      case kValues: read_sequence(w.bytes(), values, limits); break;
      default: w.skip();
    }
  if (key == DType::none) key = strings.empty() ? DType::s64 : DType::string;
  if (key != DType::s64 && key != DType::string)
    throw Error(Code::not_supported, "a map with keys of type " + std::string(name(key)) + "; Tenon reads int64 and string keys");
  const auto count = static_cast<int64_t>(key == DType::string ? strings.size() : integers.size());
  if (count != static_cast<int64_t>(values.tensors.size()))
    throw Error(Code::bad_model, "a map of " + std::to_string(count) + " keys and " + std::to_string(values.tensors.size()) + " values");
  OwnedTensor keys(key, {count});
  for (int64_t i = 0; i < count; ++i) {
    if (key == DType::string) keys.as<std::string>()[i] = strings[static_cast<size_t>(i)];
    else keys.as<int64_t>()[i] = integers[static_cast<size_t>(i)];
  }
  const DType dtype = count ? values.tensors[0].dtype() : DType::f32;
  OwnedTensor list(dtype, {count});
  for (int64_t i = 0; i < count; ++i) {
    const Tensor& value = values.tensors[static_cast<size_t>(i)];
    if (value.dtype != dtype || value.count() != 1)
      throw Error(Code::not_supported, "value " + std::to_string(i) + " of a map is " + text(value) + "; Tenon reads values of one element and one type");
    if (dtype == DType::string) list.as<std::string>()[i] = *value.as<std::string>();
    else store_cell(dtype, list.data(), i, load_cell(dtype, value.data, 0));
  }
  out.tensors.push_back(std::move(keys));
  out.tensors.push_back(std::move(list));
}

void read_maps(Bytes bytes, DataValue& out, const LoadLimits& limits) {
  std::string own;
  for (Wire w(bytes, "a sequence"); w.next();) switch (w.field()) {
      case kName: own = w.name(); break;
      case kMap: read_map(w.bytes(), out, limits); break;
      case kTensor:
      case kSparse:
      case kSequence:
      case kOptional: throw Error(Code::bad_model, "a sequence holds something else, maps were expected");
      default: w.skip();
    }
  out.name = own;
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

std::string write_map(const Tensor& keys, const Tensor& values, const std::string& name) {
  std::string out;
  protozero::pbf_writer w(out);
  w.add_string(kName, name);
  w.add_int32(kKeyType, data_type_of(keys.dtype));
  if (keys.dtype == DType::string)
    for (int64_t i = 0; i < keys.count(); ++i) w.add_bytes(kStringKeys, keys.as<std::string>()[i]);
  else w.add_packed_int64(kKeys, keys.as<int64_t>(), keys.as<int64_t>() + keys.count());
  DataValue list;
  for (int64_t i = 0; i < values.count(); ++i) {
    list.tensors.emplace_back(values.dtype, std::vector<int64_t>{});
    if (values.dtype == DType::string) *list.tensors.back().as<std::string>() = values.as<std::string>()[i];
    else store_cell(values.dtype, list.tensors.back().data(), 0, load_cell(values.dtype, values.data, i));
  }
  w.add_message(kValues, write_sequence(list, ""));
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
  } else if (container == Container::map) {
    read_map(bytes, out, limits);
  } else if (container == Container::map_sequence) {
    read_maps(bytes, out, limits);
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
  if (value.container == Container::map) return write_map(value.tensors.at(0), value.tensors.at(1), value.name);
  std::string out;
  protozero::pbf_writer w(out);
  if (value.container == Container::map_sequence) {
    w.add_string(kName, value.name);
    w.add_enum(kKind, kOfMaps);
    for (size_t i = 0; i + 1 < value.tensors.size(); i += 2) w.add_message(kMap, write_map(value.tensors[i], value.tensors[i + 1], ""));
    return out;
  }
  w.add_string(kName, value.name);
  const bool sequence = value.container == Container::optional_sequence;
  w.add_enum(kKind, sequence ? kOfSequences : kOfTensors);
  if (value.present && sequence) w.add_message(kSequence, write_sequence(value, ""));
  else if (value.present) w.add_message(kTensor, write_tensor(value.tensors.at(0).view(), ""));
  return out;
}

OwnedTensor owned(DataValue value, DType dtype) {
  std::vector<OwnedTensor>& tensors = value.tensors;
  if (value.container == Container::tensor) return std::move(tensors.at(0));
  std::vector<OwnedTensor> items;
  if (value.container == Container::map_sequence) {
    for (size_t i = 0; i + 1 < tensors.size(); i += 2) {
      std::vector<OwnedTensor> map;
      map.push_back(std::move(tensors[i]));
      map.push_back(std::move(tensors[i + 1]));
      items.emplace_back(map[1].dtype(), Container::map, std::move(map));
    }
    return OwnedTensor(dtype, value.container, std::move(items));
  }
  if (value.container != Container::optional_sequence) return OwnedTensor(dtype, value.container, std::move(tensors));
  if (value.present) items.emplace_back(dtype, Container::sequence, std::move(tensors));
  return OwnedTensor(dtype, value.container, std::move(items));
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
