// tenon evaluate: a classifier over labelled examples, its answers beside the truth.
#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "formats/numpy/npz.h"

namespace tenon::cli {
namespace {

struct Evaluate {
  ModelOptions model;
  std::string examples, label = "label";
  int64_t batch = 1;
  int show = 8;
  double at_least = 0;
};

struct Answer {
  int64_t example, truth, predicted;
  double score;
};

// Rows [begin, begin + count) of an array, as a view.
Tensor rows(const OwnedTensor& array, int64_t begin, int64_t count) {
  Tensor view = array.view();
  view.data = static_cast<char*>(view.data) + view.bytes() / view.shape[0] * begin;
  view.shape[0] = count;
  return view;
}

int64_t whole(const Tensor& t, int64_t i) {
  const Cell c = load_cell(t.dtype, t.data, i);
  return is_real(t.dtype) ? static_cast<int64_t>(c.real) : c.integer;
}

// The examples as inputs by name, each with one row an example, and the labels taken out of them.
OwnedTensor take_labels(std::map<std::string, OwnedTensor>& inputs, const std::string& label) {
  auto found = inputs.extract(label);
  if (!found) throw Error(Code::bad_input, "no array \"" + printable(label) + "\" holds the labels; --label names another");
  const OwnedTensor& labels = found.mapped();
  if (labels.shape().size() != 1 || labels.shape()[0] == 0)
    throw Error(Code::bad_input, "the labels are " + text(labels.view()) + ", expected one for each example");
  for (const auto& [name, array] : inputs)
    if (array.shape().empty() || array.shape()[0] != labels.shape()[0])
      throw Error(Code::bad_input,
                  "array \"" + printable(name) + "\" is " + text(array.view()) + ", but there are " + std::to_string(labels.shape()[0]) + " labels");
  return std::move(found.mapped());
}

void answer(const Tensor& scores, int64_t begin, int64_t count, const Tensor& labels, std::vector<Answer>& answers) {
  if (scores.count() == 0 || scores.count() % count != 0)
    throw Error(Code::bad_input, "the model answers " + text(scores) + " to " + std::to_string(count) + " examples: no scores of classes");
  const int64_t classes = scores.count() / count;
  for (int64_t r = 0; r < count; ++r) {
    int64_t best = 0;
    double score = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const Cell cell = load_cell(scores.dtype, scores.data, r * classes + c);
      const double x = is_real(scores.dtype) ? cell.real : static_cast<double>(cell.integer);
      if (c == 0 || x > score) best = c, score = x;
    }
    answers.push_back({begin + r, whole(labels, begin + r), best, score});
  }
}

void print(const std::vector<Answer>& answers, int show) {
  Table table({"example", "truth", "predicted", "score", "<"});
  int shown = 0;
  for (const Answer& a : answers) {
    const bool right = a.truth == a.predicted;
    if (right && shown++ >= show) continue;
    table.add({std::to_string(a.example), std::to_string(a.truth), std::to_string(a.predicted), number_text("%.4f", a.score), right ? "" : "WRONG"});
  }
  table.print();
}

int evaluate(const Evaluate& e) {
  const Model model = e.model.load();
  std::map<std::string, OwnedTensor> inputs;
  for (auto& [name, array] : numpy::load_npz(e.examples)) inputs.emplace(name, std::move(array));
  const OwnedTensor labels = within([&] { return printable(e.examples); }, [&] { return take_labels(inputs, e.label); });
  const int64_t examples = labels.shape()[0];
  Session session(model);
  std::vector<Answer> answers;
  for (int64_t begin = 0; begin < examples; begin += e.batch) {
    const int64_t count = std::min(e.batch, examples - begin);
    std::map<std::string, Tensor> batch;
    for (const auto& [name, array] : inputs) batch.emplace(name, rows(array, begin, count));
    answer(session.run(batch).at(0), begin, count, labels.view(), answers);
  }
  print(answers, e.show);
  const auto right = std::count_if(answers.begin(), answers.end(), [](const Answer& a) { return a.truth == a.predicted; });
  const double accuracy = static_cast<double>(right) / static_cast<double>(examples);
  std::printf("accuracy %.2f %%: %lld of %lld examples are right\n", 100 * accuracy, static_cast<long long>(right), static_cast<long long>(examples));
  if (accuracy >= e.at_least) return kGood;
  std::printf("that is less than --at-least %g\n", e.at_least);
  return kDiffers;
}

}  // namespace

std::function<int()> add_evaluate(CLI::App& app) {
  auto e = std::make_shared<Evaluate>();
  CLI::App* sub = app.add_subcommand("evaluate", "Runs a classifier over labelled examples and shows its answers beside the truth.");
  e->model.add(*sub);
  sub->add_option("examples", e->examples, "an .npz archive: an array for each input of the model, one row an example, and the labels")->required();
  sub->add_option("--label", e->label, "the array of class numbers")->capture_default_str();
  sub->add_option("--batch", e->batch, "examples a run")->check(whole(1, INT32_MAX))->capture_default_str();
  sub->add_option("--show", e->show, "right answers to show; wrong ones are all shown")->check(whole(0, INT32_MAX))->capture_default_str();
  sub->add_option("--at-least", e->at_least, "exit with 1 when the accuracy is lower, such as 0.98")->check(range(0.0, 1.0, "a share from 0 to 1"));
  return [e] { return evaluate(*e); };
}

}  // namespace tenon::cli
