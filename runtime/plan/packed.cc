#include "plan/packed.h"

#include <cstring>
#include <string_view>

namespace tenon {
namespace {

constexpr int64_t kMostCompared = int64_t{1} << 20;  // bytes of a constant that is compared with others

}  // namespace

void PackedWeights::reuse_constants(Graph& g) {
  const std::lock_guard lock(mutex_);
  std::erase_if(made_, [](const auto& each) { return each.second.source.expired(); });
  reuse(g);
}

void PackedWeights::reuse(Graph& g) {
  for (Value& v : g.values) {
    if (!v.constant || v.constant->strings || v.constant->bytes > kMostCompared || v.constant->source->lasts()) continue;
    Constant& c = *v.constant;
    const void* bytes = c.view();
    if (!bytes) continue;
    Made& made = made_[{std::hash<std::string_view>{}({static_cast<const char*>(bytes), static_cast<size_t>(c.bytes)}), c.bytes}];
    const std::shared_ptr<const WeightSource> before = made.source.lock();
    if (!before) made = {c.source, c.offset};
    else if (std::memcmp(before->view(made.offset, c.bytes), bytes, static_cast<size_t>(c.bytes)) == 0) c.source = before, c.offset = made.offset;
  }
  for (const Node& n : g.nodes)
    for (const auto& sub : n.subgraphs) reuse(*sub);
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
