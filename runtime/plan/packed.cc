#include "plan/packed.h"

#include <cstring>

namespace tenon {
namespace {

constexpr int64_t kMostShared = int64_t{1} << 20;  // bytes of a constant that is compared with others

uint64_t digest(const void* data, int64_t bytes) {
  const char* p = static_cast<const char*>(data);
  uint64_t out = 0x9e3779b97f4a7c15u;
  for (int64_t at = 0; at < bytes; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, p + at, static_cast<size_t>(std::min<int64_t>(bytes - at, 8)));
    out = (out ^ word) * 0xff51afd7ed558ccdu;
    out ^= out >> 32;
  }
  return out;
}

}  // namespace

void PackedWeights::share_constants(Graph& g) {
  const std::lock_guard lock(mutex_);
  std::erase_if(made_, [](const auto& each) { return each.second.source.expired(); });
  share(g);
}

void PackedWeights::share(Graph& g) {
  for (Value& v : g.values) {
    if (!v.constant || v.constant->strings || v.constant->bytes > kMostShared || v.constant->source->lasts()) continue;
    Constant& c = *v.constant;
    const void* bytes = c.view();
    if (!bytes) continue;
    Made& made = made_[{digest(bytes, c.bytes), c.bytes}];
    const std::shared_ptr<const WeightSource> before = made.source.lock();
    if (!before) made = {c.source, c.offset};
    else if (std::memcmp(before->view(made.offset, c.bytes), bytes, static_cast<size_t>(c.bytes)) == 0) c.source = before, c.offset = made.offset;
  }
  for (const Node& n : g.nodes)
    for (const auto& sub : n.subgraphs) share(*sub);
}

std::pair<std::unique_lock<std::mutex>, int> PackedWeights::begin() {
  std::unique_lock lock(mutex_);
  std::erase_if(all_, [](const auto& each) { return each.second.expired(); });
  std::erase_if(rounded_, [](const auto& each) { return each.second.expired(); });
  return {std::move(lock), ++plannings_};
}

std::shared_ptr<Packed> PackedWeights::find(const std::string& key) const {
  const auto found = all_.find(key);
  return found == all_.end() ? nullptr : found->second.lock();
}

std::shared_ptr<Packed> PackedWeights::add(const std::string& key, int64_t bytes) {
  auto out = std::make_shared<Packed>(bytes);
  all_[key] = out;
  return out;
}

std::shared_ptr<const WeightSource> PackedWeights::rounded(const Constant& c, DType to) {
  std::weak_ptr<const WeightSource>& kept = rounded_[{c.source.get(), c.offset, to}];
  std::shared_ptr<const WeightSource> out = kept.lock();
  if (!out) kept = out = make_rounded_source(c.source, c.offset, c.bytes / 4, to);
  return out;
}

}  // namespace tenon
