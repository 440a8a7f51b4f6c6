#include "ir/verify.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "ir/text.h"
#include "ops/op.h"
#include "ops/pointwise.h"

namespace tenon {
namespace {

// Why a program over `operands` values is malformed; empty where it is not.
std::string breach_of(const Program& p) {
  std::vector<bool> read(static_cast<size_t>(p.operands) + p.rows.size());
  for (size_t i = 0; i < p.rows.size(); ++i) {
    const Scalar& row = p.rows[i];
    if (static_cast<int>(row.function) >= kFunctionCount) return "a row of a program is no scalar function";
    for (int k = 0; k < 3; ++k) {
      if (k >= info(row.function).arity) {
        if (row.operand[k] != -1) return "a row of a program has an operand too many";
      } else if (row.operand[k] < 0 || row.operand[k] >= p.operands + static_cast<int>(i)) {
        return "a row of a program reads a value that does not stand before it";
      } else {
        read[static_cast<size_t>(row.operand[k])] = true;
      }
    }
  }
  for (size_t i = 0; i + 1 < read.size(); ++i)
    if (!read[i]) return "value " + std::to_string(i) + " of a program is never read";
  return {};
}

class Verifier {
 public:
  Verifier(const Graph& g, Stage stage) : graph_(g), stage_(stage), defined_(g.values.size()) {}

  std::string run() {
    for (ValueId v : graph_.inputs) {
      if (!in_range(v)) return "an input is no value of the graph";
      if (graph_.value(v).constant) return say(v) + " is an input and a constant";
      if (graph_.value(v).producer != kNone) return say(v) + " is an input and computed";
      if (!define(v)) return say(v) + " is an input twice";
    }
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const Value& v = graph_.values[i];
      if (v.constant) {
        const std::string wrong = of_constant(static_cast<ValueId>(i));
        if (!wrong.empty()) return wrong;
        defined_[i] = true;
      }
      // Lowering drops the nodes of shape values, whose elements are written when sizes are bound.
      if (stage_ == Stage::selected && v.content && v.producer == kNone) defined_[i] = true;
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].dead) continue;
      const std::string wrong = of_node(static_cast<NodeId>(i));
      if (!wrong.empty()) return "node " + std::to_string(i) + " (" + std::string(graph_.nodes[i].op->name) + "): " + wrong;
    }
    for (ValueId v : graph_.outputs)
      if (!in_range(v) || !defined_[static_cast<size_t>(v)]) return "an output is never computed";
    return of_ties();
  }

 private:
  bool in_range(ValueId v) const { return v >= 0 && v < static_cast<ValueId>(graph_.values.size()); }
  std::string say(ValueId v) const { return "value " + std::to_string(v) + " \"" + printable(graph_.value(v).name) + "\""; }
  bool define(ValueId v) {
    const bool first = !defined_[static_cast<size_t>(v)];
    defined_[static_cast<size_t>(v)] = true;
    return first;
  }

  std::string of_type(ValueId v) const {
    const Type& t = graph_.value(v).type;
    if (t.dtype == DType::none) return say(v) + " has no type";
    for (Dim d : t.shape) {
      if (!d.known() && d.row() >= graph_.extents->rows()) return say(v) + " has a size that is no row of the extents";
      if (d.known() && d.number() < 0) return say(v) + " has a negative size";
    }
    if (const Quantisation* q = t.quantisation.get()) {
      if (q->scale.empty() || q->scale.size() != q->zero.size()) return say(v) + " has other zero points than scales";
      if (q->axis < 0 && q->scale.size() != 1) return say(v) + " has several scales and no axis";
      if (q->axis >= t.shape.rank()) return say(v) + " is quantised along an axis that it lacks";
      if (q->axis >= 0 && t.shape[q->axis] != Dim(static_cast<int64_t>(q->scale.size()))) return say(v) + " has other scales than sizes on its axis";
    }
    if (stage_ == Stage::portable && t.layout.block != 1) return say(v) + " has a blocked layout before lowering";
    return {};
  }

  std::string of_constant(ValueId v) const {
    const Value& c = graph_.value(v);
    if (c.producer != kNone) return say(v) + " is a constant and computed";
    if (!c.type.shape.known()) return say(v) + " is a constant of unknown size";
    if (!c.constant->strings && !c.constant->source) return say(v) + " is a constant without elements";
    if (c.constant->source) {
      int64_t n = 1;
      const Layout& l = c.type.layout;
      for (int i = 0; i < c.type.shape.rank(); ++i) {
        const int64_t size = c.type.shape[i].number();
        n *= l.block > 1 && i == l.axis ? (size + l.block - 1) / l.block * l.block : size;  // padding lanes count
      }
      if (c.constant->bytes != storage_bytes(c.type.dtype, n)) return say(v) + " is a constant of another number of bytes than its type";
    }
    return of_type(v);
  }

  std::string of_node(NodeId id) {
    const Node& n = graph_.nodes[id];
    for (ValueId v : n.inputs) {
      if (v == kNone) continue;
      if (!in_range(v)) return "it reads what is no value of the graph";
      if (!defined_[static_cast<size_t>(v)]) return "it reads " + say(v) + ", which does not stand before it";
    }
    bool any = false;
    for (ValueId v : n.outputs) {
      if (v == kNone) continue;
      any = true;
      if (!in_range(v)) return "it computes what is no value of the graph";
      if (!define(v)) return say(v) + " is computed twice";
      if (graph_.value(v).producer != id) return say(v) + " names another producer";
      if (const std::string wrong = of_type(v); !wrong.empty()) return wrong;
    }
    if (!any && !n.op->effects) return "it computes nothing";
    if (stage_ == Stage::portable && n.op == &ops::reorder) return "a reorder before lowering";
    const std::string wrong = breach_of_programs(n);
    return wrong.empty() ? of_subgraphs(n) : wrong;
  }

  std::string of_subgraphs(const Node& n) const {
    for (const auto& sub : n.subgraphs) {
      if (sub->extents != graph_.extents || sub->guards != graph_.guards) return "a subgraph has extents of its own";
      if (n.op == &ops::if_ && sub->inputs.size() + 1 != n.inputs.size()) return "a branch has another number of inputs than values are captured";
      if (n.op == &ops::loop && sub->inputs.size() != n.inputs.size()) return "the body of a loop has another number of inputs than the loop";
      if (const std::string wrong = Verifier(*sub, stage_).run(); !wrong.empty()) return "in its subgraph \"" + printable(sub->name) + "\": " + wrong;
    }
    return {};
  }

  std::string of_ties() const {
    for (const Tie& t : graph_.ties) {
      if (t.output < 0 || t.output >= static_cast<int>(graph_.outputs.size()) || t.input < 0 || t.input >= static_cast<int>(graph_.inputs.size()))
        return "a tie names an input or output that does not exist";
      const Type &from = graph_.value(graph_.outputs[t.output]).type, &to = graph_.value(graph_.inputs[t.input]).type;
      if (from.dtype != to.dtype || from.shape.rank() != to.shape.rank()) return "a tie joins values of different types";
      for (const Tie& other : graph_.ties)
        if (&other != &t && other.input == t.input) return "two ties end in one input";
    }
    return {};
  }

  const Graph& graph_;
  Stage stage_;
  std::vector<bool> defined_;
};

// Every symbol that a step needs has a value by then: an input has it as a size, or an earlier step decides it.
class SizeVerifier {
 public:
  explicit SizeVerifier(const Graph& g) : extents_(*g.extents), given_(static_cast<size_t>(extents_.rows())) {}

  std::string run(const Graph& g) {
    for (ValueId v : g.inputs) give(g.value(v));
    for (const Node& n : g.nodes) {
      if (n.dead) continue;
      for (ValueId v : n.inputs)
        if (v != kNone && !needs(g.value(v))) return say(n, g.value(v));
      // Of the sizes of its results a step decides those that are run-time sizes by themselves.
      for (ValueId v : n.outputs)
        if (v != kNone) give(g.value(v));
      for (ValueId v : n.outputs)
        if (v != kNone && !needs(g.value(v))) return say(n, g.value(v));
      for (const auto& sub : n.subgraphs) {
        SizeVerifier inner(*this);
        if (std::string wrong = inner.run(*sub); !wrong.empty()) return wrong;
      }
    }
    for (ValueId v : g.outputs)
      if (!needs(g.value(v))) return "output \"" + printable(g.value(v).name) + "\" needs the size " + missing_ + ", which nothing gives";
    return {};
  }

 private:
  void give(const Value& v) {
    if (v.type.container != Container::tensor) return;
    for (Dim d : v.type.shape)
      if (!d.known() && (extents_.is_symbol(d.row()) || extents_.is_data(d.row()))) given_[static_cast<size_t>(d.row())] = true;
  }

  bool needs(const Value& v) {
    if (v.type.container == Container::tensor)
      for (Dim d : v.type.shape)
        if (!is_given(d)) return false;
    if (v.content)
      for (Dim d : *v.content)
        if (!is_given(d)) return false;
    return true;
  }

  bool is_given(Dim d) {
    std::set<int32_t> atoms;
    extents_.add_atoms(d, atoms);
    for (int32_t row : atoms) {
      if (given_[static_cast<size_t>(row)]) continue;
      missing_ = extents_.text(Dim::of_row(row));
      return false;
    }
    return true;
  }

  std::string say(const Node& n, const Value& v) const {
    return place_of(n) + ": value \"" + printable(v.name) + "\" needs the size " + missing_ + ", which nothing before it gives";
  }

  const Extents& extents_;
  std::vector<bool> given_;
  std::string missing_;
};

}  // namespace

std::string breach_of_programs(const Node& n) {
  if (n.op == &ops::pointwise) {
    const Program& p = n.attributes.as<Pointwise>().program;
    if (p.operands != static_cast<int>(n.inputs.size())) return "its program has another number of operands than it has inputs";
    return breach_of(p);
  }
  if (n.epilogue.empty()) return {};
  if (n.epilogue.operands < 1 || n.own_inputs() < 1) return "its epilogue has more operands than it has inputs";
  if (std::find(n.inputs.begin() + n.own_inputs(), n.inputs.end(), kNone) != n.inputs.end()) return "an operand of its epilogue is omitted";
  return breach_of(n.epilogue);
}

std::string breach(const Graph& g, Stage stage) {
  const std::string wrong = Verifier(g, stage).run();
  return wrong.empty() ? SizeVerifier(g).run(g) : wrong;
}

void verify(const Graph& g, Stage stage, std::string_view maker) {
  const std::string wrong = breach(g, stage);
  if (wrong.empty()) return;
  assertion_failed(("(a graph made by " + std::string(maker) + ") " + wrong + ": this").c_str(), __FILE__, __LINE__, __func__);
}

bool verifies() {
#ifdef NDEBUG
  static const bool asked = std::getenv("TENON_VERIFY") != nullptr;
  return asked;
#else
  return true;
#endif
}

}  // namespace tenon
