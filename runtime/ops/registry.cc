#include <unordered_map>

#include "ops/op.h"

namespace tenon {

const std::vector<const Op*>& all_ops() {
  static const std::vector<const Op*> list = {
#define ROW(name, ...) &ops::name,
#define REAL(name, ...) &ops::name,
#define WHOLE(name, ...) &ops::name,
#define TEST(name, ...) &ops::name,
#define LOGIC(name, ...) &ops::name,
#define PICK(name, ...) &ops::name,
#include "ops/elementwise.inc"
#define OP(name) &ops::name,
#include "ops/ops.inc"
#undef OP
  };
  return list;
}

const Op& op_of(Function f) { return *all_ops()[static_cast<size_t>(f)]; }

const Op* op_named(std::string_view name) {
  static const std::unordered_map<std::string_view, const Op*> index = [] {
    std::unordered_map<std::string_view, const Op*> m;
    for (const Op* op : all_ops()) m.emplace(op->name, op);
    return m;
  }();
  const auto found = index.find(name);
  return found == index.end() ? nullptr : found->second;
}

}  // namespace tenon
