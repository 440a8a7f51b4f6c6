#include "ops/einsum.h"

#include <algorithm>
#include <map>

#include "ops/einsum_terms.h"
#include "ops/op.h"

namespace tenon {
namespace {

[[noreturn]] void refuse(std::string_view equation, const std::string& why) {
  throw Error(Code::bad_model, "equation " + printable(equation) + ": " + why);
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The labels of one term; `dots` axes take the place of "...".
std::vector<int> labels_of(std::string_view equation, std::string_view term, int dots) {
  std::vector<int> out;
  bool seen = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (is_letter(term[i])) {
      out.push_back(term[i]);
    } else if (term.substr(i, 3) == "..." && !seen) {
      for (int k = dots; k > 0; --k) out.push_back(-k);
      seen = true;
      i += 2;
    } else {
      refuse(equation, "terms are letters and at most one ...");
    }
  }
  return out;
}

std::vector<int> implied_result(const std::vector<std::vector<int>>& sources, int dots) {
  std::map<int, int> uses;
  for (const std::vector<int>& labels : sources)
    for (int label : labels) ++uses[label];
  std::vector<int> out;
  for (int k = dots; k > 0; --k) out.push_back(-k);
  for (auto [label, count] : uses)
    if (label > 0 && count == 1) out.push_back(label);
  return out;
}

EinsumTerms terms_of(const Node& node, const std::vector<int>& ranks) { return parse_einsum(node.attributes.as<Einsum>().equation, ranks); }

void infer(Inference& n) {
  n.expect(n.inputs() >= 1, "einsum has a source");
  std::vector<int> ranks;
  for (int i = 0; i < n.inputs(); ++i) {
    n.expect_same_dtype(0, i);
    ranks.push_back(n.rank(i));
  }
  n.expect(is_real(n.dtype(0)) || is_integer(n.dtype(0)), "the sources of einsum are numbers");
  const EinsumTerms terms = parse_einsum(n.attributes<Einsum>().equation, ranks);
  std::map<int, Extent> sizes;
  for (int i = 0; i < n.inputs(); ++i)
    for (int axis = 0; axis < ranks[static_cast<size_t>(i)]; ++axis) {
      const int label = terms.sources[static_cast<size_t>(i)][static_cast<size_t>(axis)];
      const auto [at, first] = sizes.emplace(label, n.size(i, axis));
      if (first) continue;
      if (label < 0) at->second = n.extent(n.broadcast({at->second}, {n.size(i, axis)})[0]);
      else n.equal(at->second, n.size(i, axis), std::string("sizes of label ") + static_cast<char>(label));
    }
  Shape shape;
  for (int label : terms.result) shape.push(sizes.at(label));
  n.result(n.dtype(0), shape);
}

void reference(Reference& n) {
  std::vector<int> ranks;
  for (const Array* a : n.in) ranks.push_back(a->rank());
  const EinsumTerms terms = terms_of(*n.node, ranks);
  // All labels: those of the result, then those that are summed over.
  std::vector<int> labels = terms.result;
  std::map<int, int64_t> sizes;
  for (size_t i = 0; i < n.in.size(); ++i)
    for (size_t axis = 0; axis < terms.sources[i].size(); ++axis) {
      const int label = terms.sources[i][axis];
      if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
      int64_t& size = sizes.emplace(label, 1).first->second;
      if (size == 1) size = n.in[i]->shape[axis];
    }
  std::vector<int64_t> whole;
  for (int label : labels) whole.push_back(sizes[label]);
  const std::vector<int64_t> own = strides_of(n.out[0].shape);
  std::vector<int64_t> dst_strides(labels.size());
  std::copy(own.begin(), own.end(), dst_strides.begin());
  std::vector<std::vector<int64_t>> strides;
  for (size_t i = 0; i < n.in.size(); ++i) {
    std::vector<int64_t> at(labels.size());
    const std::vector<int64_t> src = strides_of(n.in[i]->shape);
    for (size_t axis = 0; axis < src.size(); ++axis) {
      const auto place = std::find(labels.begin(), labels.end(), terms.sources[i][axis]) - labels.begin();
      if (n.in[i]->shape[axis] > 1) at[static_cast<size_t>(place)] += src[axis];
    }
    strides.push_back(std::move(at));
  }
  for (Walk at(whole); at.more(); at.next()) {
    double real = 1;
    uint64_t integer = 1;
    for (size_t i = 0; i < n.in.size(); ++i) {
      const int64_t from = at.offset(strides[i]);
      if (n.in[i]->is_real()) real *= n.in[i]->real(from);
      else integer *= static_cast<uint64_t>(n.in[i]->integer(from));
    }
    const int64_t to = at.offset(dst_strides);
    if (n.out[0].is_real()) n.out[0].real(to) += real;
    else n.out[0].integer(to) = static_cast<int64_t>(static_cast<uint64_t>(n.out[0].integer(to)) + integer);
  }
}

}  // namespace

EinsumTerms parse_einsum(std::string_view equation, const std::vector<int>& ranks) {
  std::string text(equation);
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  const std::string_view left = std::string_view(text).substr(0, arrow);
  std::vector<std::string_view> terms;
  for (size_t begin = 0; begin <= left.size();) {
    const size_t end = std::min(left.find(',', begin), left.size());
    terms.push_back(left.substr(begin, end - begin));
    begin = end + 1;
  }
  if (terms.size() != ranks.size())
    refuse(equation, "it has " + std::to_string(terms.size()) + " sources, the node has " + std::to_string(ranks.size()));
  EinsumTerms out;
  int most = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const int letters = static_cast<int>(labels_of(equation, terms[i], 0).size());
    const bool open = terms[i].find("...") != std::string_view::npos;
    if (letters > ranks[i] || (!open && letters < ranks[i]))
      refuse(equation, "source " + std::to_string(i) + " has rank " + std::to_string(ranks[i]));
    out.sources.push_back(labels_of(equation, terms[i], ranks[i] - letters));
    most = std::max(most, ranks[i] - letters);
  }
  out.result = arrow == std::string::npos ? implied_result(out.sources, most) : labels_of(equation, std::string_view(text).substr(arrow + 2), most);
  for (size_t i = 0; i < out.result.size(); ++i) {
    const int label = out.result[i];
    if (std::find(out.result.begin(), out.result.begin() + static_cast<int64_t>(i), label) != out.result.begin() + static_cast<int64_t>(i))
      refuse(equation, "a label of the result stands there once");
    const bool found =
        std::any_of(out.sources.begin(), out.sources.end(), [&](const auto& s) { return std::find(s.begin(), s.end(), label) != s.end(); });
    if (!found) refuse(equation, "the labels of the result are labels of sources");
  }
  return out;
}

const Op ops::einsum{.name = "einsum",
                     .attributes = Attributes::make<Einsum>,
                     .infer = infer,
                     .reference = reference,
                     .exactness = {Exactness::relative, 1e-5},
                     .linear = true};
}  // namespace tenon
