#include "cli/model_options.h"
#include "cli/usage.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <set>
#include <sstream>

#include "base/dtype.h"
#include "formats/media/image.h"
#include "formats/media/wav.h"
#include "formats/numpy/npy.h"
#include "formats/numpy/npz.h"
#include "formats/onnx/data.h"

namespace tenon::cli {
namespace {

std::vector<float> numbers(const std::string& text, const char* option) {
  std::vector<float> out;
  std::stringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    char* end = nullptr;
    out.push_back(std::strtof(item.c_str(), &end));
    if (item.empty() || *end) throw Error(Code::bad_usage, std::string(option) + " takes numbers between commas, not \"" + printable(text) + "\"");
  }
  return out;
}

bool ends_with(const std::string& text, const char* end) {
  const size_t n = std::strlen(end);
  return text.size() >= n && text.compare(text.size() - n, n, end) == 0;
}

Precision precision_named(const std::string& name) {
  return name == "bf16" ? Precision::bf16 : name == "fp16" ? Precision::fp16 : name == "int8" ? Precision::int8 : Precision::model;
}

using Members = std::map<std::string, OwnedTensor>;

// The value that an archive holds as several members (see add_members in run.cc); those that belong to it are taken away.
OwnedTensor contained(Container container, DType dtype, const std::string& name, Members& members) {
  const auto take = [&](const std::string& member) {
    auto node = members.extract(member);
    if (node.empty()) throw Error(Code::bad_input, "the archive has no member \"" + printable(member) + "\"");
    return std::move(node.mapped());
  };
  std::vector<OwnedTensor> items;
  if (container == Container::map) {
    items.push_back(take(name + "/keys"));
    items.push_back(take(name + "/values"));
    return OwnedTensor(dtype, container, std::move(items));
  }
  const Container inner = container == Container::map_sequence        ? Container::map
                          : container == Container::optional_sequence ? Container::sequence
                                                                      : Container::tensor;
  const auto more = [&](const std::string& item) {
    const auto next = members.lower_bound(item);
    return next != members.end() && (next->first == item || next->first.rfind(item + "/", 0) == 0);
  };
  const bool at_most_one = container == Container::optional || container == Container::optional_sequence;
  for (int64_t i = 0; i < (at_most_one ? 1 : INT64_MAX); ++i) {
    const std::string item = name + "/" + std::to_string(i);
    if (inner == Container::tensor ? !members.count(item) : !more(item)) break;
    if (inner == Container::tensor) items.push_back(take(item));
    else items.push_back(contained(inner, dtype, item, members));
  }
  return OwnedTensor(dtype, container, std::move(items));
}

const Port& port_of(const Model& model, const std::string& name) {
  for (const Port& p : model.inputs())
    if (p.name == name) return p;
  std::string list;
  for (const Port& p : model.inputs()) list += (list.empty() ? "" : ", ") + printable(p.name);
  throw Error(Code::bad_usage, "the model has no input \"" + printable(name) + "\"; it has " + list);
}

// Whether a picture has the size that the model takes, and what to do where it has not.
void expect_fit(const Port& port, const Tensor& picture, bool is_nhwc) {
  const auto differs = [&](size_t axis) { return port.shape[axis].size >= 0 && port.shape[axis].size != picture.shape[axis]; };
  std::string advice;
  if (port.shape.size() != picture.shape.size()) {
    advice = "this input takes no pictures";
  } else {
    const size_t channels = is_nhwc ? 3 : 1, height = is_nhwc ? 1 : 2;
    if (differs(channels)) {
      if (port.shape[channels].size == 1) advice = "give --grey";
      else if (port.shape[is_nhwc ? 1 : 3].size == 3 || port.shape[is_nhwc ? 1 : 3].size == 1)
        advice = is_nhwc ? "give --layout nchw" : "give --layout nhwc";
      else advice = "pictures have three channels, or with --grey one";
    } else if (differs(height) || differs(height + 1)) {
      const auto size = [&](size_t axis) {
        const int64_t n = port.shape[axis].size;
        return n >= 0 ? std::to_string(n) : std::to_string(picture.shape[axis]);
      };
      advice = "give --resize " + size(height) + "x" + size(height + 1);
    }
  }
  if (!advice.empty())
    throw Error(Code::bad_input, "the picture is " + text(picture) + "; " + advice).within("input \"" + printable(port.name) + "\" is " + text(port));
}

}  // namespace

std::pair<std::string, std::string> pair_of(const std::string& text, const char* option) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    throw Error(Code::bad_usage, std::string(option) + " takes NAME=VALUE, not \"" + printable(text) + "\"");
  return {text.substr(0, at), text.substr(at + 1)};
}

void ModelOptions::add(CLI::App& app) {
  app.add_option("model", path, "the model file")->required();
  app.add_option("--threads", threads, "worker threads; 0 is every processor this process may use")->check(whole(0, 1024));
  app.add_option("--isa", isa, "the highest ISA level to use, such as avx2");
  app.add_option("--precision", precision, "model, bf16, fp16 (weights of products with few rows), or int8 (quantised models only)")
      ->check(CLI::IsMember({"model", "bf16", "fp16", "int8"}))
      ->capture_default_str();
  app.add_option("--set-dim", dims, "NAME=N: the value of a symbolic size (may repeat)");
  app.add_option("--memory-limit", memory_limit, "bytes of working memory a run may take");
  app.add_flag("--reference", reference, "run through the references: slow, and the measure of everything else");
  app.add_flag("--no-pin", no_pin, "leave worker threads where the system puts them");
  app.add_flag("--follow-symlinks", follow_symlinks, "external data files may be symbolic links");
  seal.add(app);
}

Options ModelOptions::options() const {
  Options o;
  o.threads = threads;
  o.isa = isa;
  o.precision = precision_named(precision);
  o.reference = reference;
  o.pin_threads = !no_pin;
  o.follow_symlinks = follow_symlinks;
  if (memory_limit > 0) o.memory_limit = memory_limit;
  for (const std::string& d : dims) {
    const auto [name, value] = pair_of(d, "--set-dim");
    char* end = nullptr;
    const long long n = std::strtoll(value.c_str(), &end, 10);
    if (*end || n < 0)
      throw Error(Code::bad_usage, "--set-dim " + printable(name) + " takes a number of 0 or more, not \"" + printable(value) + "\"");
    o.dims[name] = n;
  }
  return o;
}

Model ModelOptions::load(Right purpose) const {
  Options o = options();
  o.sealed = seal.sealed();
  o.sealed.purpose = purpose;
  if (isatty(2))
    o.progress = [](const std::string& stage) {
      std::fprintf(stderr, "\r\x1b[K%s ...", stage.c_str());
      std::fflush(stderr);
    };
  const auto clear = [] {
    if (isatty(2)) std::fprintf(stderr, "\r\x1b[K");
  };
  try {
    Model m = Model::load(path, o);
    clear();
    const Origin& origin = m.origin();
    if (origin.sealed && origin.signed_by.empty() && !seal.any_signer())
      std::fprintf(stderr, "%s counts as unsigned: %s\n", printable(path).c_str(), why_unsigned(origin.claimed_by.size()).c_str());
    if (purpose != Right::inspect)
      for (const std::string& note : m.notes()) std::fprintf(stderr, "note: %s\n", note.c_str());
    return m;
  } catch (...) {
    clear();
    throw;
  }
}

void InputOptions::add(CLI::App& app) {
  app.add_option("--input", files, "NAME=FILE: an input from a .npy, .pb (ONNX TensorProto) or .wav file (may repeat)");
  app.add_option("--inputs", archive, "inputs by name from a .npz archive");
  app.add_option("--image", images, "NAME=FILE: an input from a picture (may repeat)");
  app.add_option("--mean", mean, "of pictures: what is taken off each channel after division by --unit, such as 0.485,0.456,0.406");
  app.add_option("--std", std, "of pictures: what each channel is then divided by");
  app.add_option("--unit", unit, "of pictures: what levels 0..255 are divided by first")->capture_default_str();
  app.add_option("--layout", layout, "of pictures: nchw or nhwc")->check(CLI::IsMember({"nchw", "nhwc"}));
  app.add_option("--resize", resize, "of pictures: HxW, or one number: the shorter side, then the centre is cut to the model's size");
  app.add_flag("--grey", grey, "of pictures: one channel");
  app.add_option("--random", random, "SEED: inputs without a source are random")->check(at_least(0));
}

OwnedTensor InputOptions::image(const std::string& path) const {
  media::Image picture = media::load_image(path, grey ? 1 : 3);
  if (!resize.empty()) {
    long h = 0, w = 0;
    if (std::sscanf(resize.c_str(), "%ldx%ld", &h, &w) == 2) picture = media::resize(picture, h, w);
    else if (std::sscanf(resize.c_str(), "%ld", &h) == 1 && h > 0)
      picture = media::centre_crop(media::resize_short_side(picture, h), std::min<int64_t>(h, 224), std::min<int64_t>(h, 224));
    else throw Error(Code::bad_usage, "--resize takes HxW or one number, not \"" + printable(resize) + "\"");
  }
  media::Normalisation how;
  how.unit = unit;
  if (!mean.empty()) how.mean = numbers(mean, "--mean");
  if (!std.empty()) how.std = numbers(std, "--std");
  how.order = layout == "nhwc" ? media::Order::nhwc : media::Order::nchw;
  return media::pixels(picture, how);
}

std::map<std::string, OwnedTensor> InputOptions::tensors(const Model& model, const std::map<std::string, int64_t>& dims) const {
  std::map<std::string, OwnedTensor> out;
  if (!archive.empty()) {
    numpy::NamedTensors arrays = numpy::load_npz(archive);
    if (arrays.empty()) throw Error(Code::bad_input, "--inputs " + printable(archive) + " is an archive without arrays");
    Members members;
    for (auto& [name, tensor] : arrays) members.emplace(name, std::move(tensor));
    for (const Port& p : model.inputs()) {
      const auto first = members.lower_bound(p.name + "/");
      const bool several = first != members.end() && first->first.rfind(p.name + "/", 0) == 0;
      if (p.container != Container::tensor && several) out.emplace(p.name, contained(p.container, p.dtype, p.name, members));
    }
    for (auto& [name, tensor] : members) {
      port_of(model, name);
      out.emplace(name, std::move(tensor));
    }
  }
  std::set<std::string> given;
  const auto once = [&](const std::string& name) {
    if (!given.insert(name).second) throw Error(Code::bad_usage, "input \"" + printable(name) + "\" is given twice by --input or --image");
  };
  for (const std::string& text : files) {
    const auto [name, path] = pair_of(text, "--input");
    const Port& port = port_of(model, name);
    once(name);
    if (ends_with(path, ".pb")) {
      out.insert_or_assign(name, onnx::owned(onnx::load_value(path, port.container), port.dtype));
    } else if (ends_with(path, ".wav")) {
      const std::vector<float> samples = media::mono(media::load_wav(path));
      OwnedTensor t(DType::f32, {1, static_cast<int64_t>(samples.size())});
      std::memcpy(t.data(), samples.data(), samples.size() * sizeof(float));
      out.insert_or_assign(name, std::move(t));
    } else {
      out.insert_or_assign(name, numpy::load_npy(path));
    }
  }
  for (const std::string& text : images) {
    const auto [name, path] = pair_of(text, "--image");
    const Port& port = port_of(model, name);
    once(name);
    OwnedTensor picture = image(path);
    expect_fit(port, picture.view(), layout == "nhwc");
    out.insert_or_assign(name, std::move(picture));
  }
  std::map<std::string, int64_t> sizes = dims;
  for (const auto& [name, tensor] : out) {
    const Port& p = port_of(model, name);
    for (size_t i = 0; i < p.shape.size() && i < tensor.shape().size(); ++i)
      if (p.shape[i].size < 0) sizes.emplace(p.shape[i].symbol, tensor.shape()[i]);
  }
  uint64_t seed = static_cast<uint64_t>(random);
  std::set<std::string> taken;  // symbols whose size nobody gave
  for (const Port& p : model.inputs()) {
    if (out.count(p.name)) continue;
    if (random >= 0 && (p.any_rank || p.container != Container::tensor))
      throw Error(Code::bad_usage, "--random makes no input \"" + printable(p.name) + "\" (" + text(p) +
                                       "), whose shape or items the file does not tell; give --input or --inputs");
    if (random < 0)
      throw Error(Code::bad_usage,
                  "no source for input \"" + printable(p.name) + "\" (" + text(p) + "); give --input, --inputs, --image or --random");
    std::vector<int64_t> shape;
    for (const Axis& a : p.shape) {
      const auto found = sizes.find(a.symbol);
      if (a.size < 0 && found == sizes.end()) taken.insert(a.symbol);
      shape.push_back(a.size >= 0 ? a.size : found == sizes.end() ? 1 : found->second);
    }
    OwnedTensor t(p.dtype, shape);
    fill_random(t, seed++);
    out.emplace(p.name, std::move(t));
  }
  if (!taken.empty()) {
    std::string names;
    for (const std::string& symbol : taken) names += (names.empty() ? "" : ", ") + (symbol.empty() ? "an unnamed size" : printable(symbol));
    std::fprintf(stderr, "random inputs of size 1 along %s; --set-dim NAME=N gives a size\n", names.c_str());
  }
  return out;
}

std::map<std::string, Tensor> views(const std::map<std::string, OwnedTensor>& tensors) {
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : tensors) out.emplace(name, tensor.view());
  return out;
}

double uniform(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

void fill_random(const Tensor& t, uint64_t seed) {
  uint64_t state = seed;
  const bool real = is_real(t.dtype), complex = is_complex(t.dtype);
  if (t.dtype == DType::string) return;
  const int64_t n = t.count() * (complex ? 2 : 1);
  for (int64_t i = 0; i < n; ++i) {
    const double u = uniform(state);
    Cell c;
    if (real || complex) c.real = 2 * u - 1;
    else c.integer = t.dtype == DType::boolean ? u < 0.5 : static_cast<int64_t>(u * (bits(t.dtype) < 8 ? 2 : 8));
    store_cell(t.dtype, t.data, i, c);
  }
}

}  // namespace tenon::cli
