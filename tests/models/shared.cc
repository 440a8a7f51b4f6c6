#include "models/shared.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

namespace tenon::models {
namespace {

std::string gunzipped(const std::string& packed) {
  std::string out;
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) throw std::runtime_error("zlib does not start");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int state = Z_OK;
  while (state == Z_OK) {
    char part[1 << 16];
    stream.next_out = reinterpret_cast<Bytef*>(part);
    stream.avail_out = sizeof part;
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(part, sizeof part - stream.avail_out);
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END) throw std::runtime_error("a damaged gzip file");
  return out;
}

}  // namespace

std::string shared(const std::string& path) {
  const char* folder = std::getenv("TENON_SHARED");
  return (folder ? std::string(folder) : source("../shared")) + "/" + path;
}

bool has_shared() { return std::filesystem::is_directory(shared("models")) && std::filesystem::is_directory(shared("data")); }

std::string source(const std::string& path) { return std::string(TENON_SOURCE_DIR) + "/" + path; }

std::string load_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return path.ends_with(".gz") ? gunzipped(bytes) : bytes;
}

nlohmann::json load_json(const std::string& path) { return nlohmann::json::parse(load_bytes(path)); }

std::vector<std::string> split(std::string_view line, char at) {
  std::vector<std::string> out(1);
  for (char c : line) {
    if (c == at) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::vector<std::string> load_lines(const std::string& path) {
  std::vector<std::string> lines = split(load_bytes(path), '\n');
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

const nlohmann::json& answers(const std::string& model) {
  static const nlohmann::json all = load_json(source("tests/models/answers.json"));
  return all.at(model);
}

const uint8_t* Idx::item(int64_t i) const {
  const int64_t bytes = std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<>());
  return reinterpret_cast<const uint8_t*>(this->bytes.data()) + 4 + 4 * shape.size() + i * bytes;
}

Idx load_idx(const std::string& path) {
  Idx idx{{}, load_bytes(path)};
  const auto* p = reinterpret_cast<const uint8_t*>(idx.bytes.data());
  for (int axis = 0; axis < p[3]; ++axis) {
    const uint8_t* q = p + 4 + 4 * axis;
    idx.shape.push_back(int64_t{q[0]} << 24 | q[1] << 16 | q[2] << 8 | q[3]);
  }
  return idx;
}

uint64_t splitmix(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float noise(uint64_t i) { return static_cast<float>(static_cast<double>(splitmix(1, i) >> 40) * 0x1p-23 - 1); }

OwnedTensor floats(std::vector<int64_t> shape, const std::vector<float>& values) {
  OwnedTensor out(DType::f32, std::move(shape));
  std::copy(values.begin(), values.end(), out.as<float>());
  return out;
}

OwnedTensor integers(std::vector<int64_t> shape, const std::vector<int64_t>& values) {
  OwnedTensor out(DType::s64, std::move(shape));
  std::copy(values.begin(), values.end(), out.as<int64_t>());
  return out;
}

OwnedTensor half(const Tensor& f32) {
  OwnedTensor out(DType::f16, f32.shape);
  for (int64_t i = 0; i < f32.count(); ++i) store_cell(DType::f16, out.data(), i, {.real = f32.as<float>()[i]});
  return out;
}

std::vector<float> to_floats(const Tensor& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(load_cell(tensor.dtype, tensor.data, static_cast<int64_t>(i)).real);
  return out;
}

int64_t best(const float* values, int64_t count) { return std::max_element(values, values + count) - values; }

std::vector<int64_t> best_rows(const Tensor& f32) {
  const int64_t n = f32.shape.back();
  std::vector<int64_t> out;
  for (int64_t i = 0; i < f32.count(); i += n) out.push_back(best(f32.as<float>() + i, n));
  return out;
}

std::u32string code_points(const std::string& utf8) {
  std::u32string out;
  for (const char c : utf8) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      out += byte;
    } else if (byte < 0xc0) {
      out.back() = out.back() << 6 | (byte & 0x3f);
    } else {
      out += byte & (byte < 0xe0 ? 0x1f : byte < 0xf0 ? 0x0f : 0x07);
    }
  }
  return out;
}

std::u32string plain_letters(const std::string& utf8) {
  std::u32string out;
  for (const char32_t c : code_points(utf8)) {
    if (c >= 'A' && c <= 'Z') {
      out += c + ('a' - 'A');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 0x4e00 && c <= 0x9fff)) {
      out += c;
    }
  }
  return out;
}

std::string ctc(const std::vector<int64_t>& ids, const std::vector<std::string>& letters) {
  std::string out;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] && (i == 0 || ids[i] != ids[i - 1])) out += letters.at(static_cast<size_t>(ids[i]));
  }
  return out;
}

double overlap(const Box& a, const Box& b) {
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  const double common = std::max(0.0, w) * std::max(0.0, h);
  return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common);
}

std::vector<Found> suppressed(std::vector<Found> found, double limit) {
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
  std::vector<Found> kept;
  for (const Found& f : found) {
    const auto hides = [&](const Found& k) { return k.kind == f.kind && overlap(k.box, f.box) > limit; };
    if (std::none_of(kept.begin(), kept.end(), hides)) kept.push_back(f);
  }
  return kept;
}

Engine::Engine(const std::string& model, const Options& options) : model_(Model::load(shared("models/" + model), options)), session_(model_) {}

std::vector<Tensor> Engine::run(std::initializer_list<Tensor> inputs) {
  std::map<std::string, Tensor> named;
  size_t at = 0;
  for (const Tensor& tensor : inputs) named[model_.inputs().at(at++).name] = tensor;
  return session_.run(named);
}

void report(const std::string& model, const std::string& figures) { std::printf("  %-28s %s\n", model.c_str(), figures.c_str()); }

}  // namespace tenon::models
