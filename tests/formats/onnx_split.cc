// A model apart from the data of its tensors, and together again.
#include "formats/onnx/split.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "base/error.h"
#include "formats/onnx_models.h"

namespace tenon::onnx {
namespace {

// Every blob in its place.
std::string filled(const JoinedModel& joined, const std::vector<SplitBlob>& blobs) {
  std::string out;
  size_t done = 0;
  for (const JoinedModel::Hole& h : joined.holes) {
    out += joined.text.substr(done, h.position - done);
    done = h.position;
    std::string bytes(static_cast<size_t>(blobs[h.blob].bytes), '\0');
    blobs[h.blob].read(0, blobs[h.blob].bytes, bytes.data());
    out += bytes;
  }
  return out + joined.text.substr(done);
}

std::string joined_again(const SplitModel& s) {
  std::vector<int64_t> lengths;
  for (const SplitBlob& b : s.blobs) lengths.push_back(b.bytes);
  return filled(join(s.model, lengths, "m.onnx.data"), s.blobs);
}

SplitModel split_bytes(const std::string& file, const std::string& folder = "") {
  return split(make_memory_source(file.data(), static_cast<int64_t>(file.size())), folder);
}

// Eight bytes that are found again: elements of a tensor each of its own.
std::string mark(int i) { return "mark" + std::to_string(1000 + i); }

struct Everywhere {
  std::vector<std::string> marks;
  std::vector<std::string> messages;  // tensors made by hand; views point here
  std::string model;

  std::string_view next() { return marks.emplace_back(mark(static_cast<int>(marks.size()))); }
  TensorView raw(std::string_view name) { return raw_tensor(name, DType::f32, {2}, next()); }
  SparseTensorView sparse(std::string_view name) {
    TensorView indices = raw_tensor("", DType::s64, {1}, next());
    return {raw_tensor(name, DType::f64, {1}, next()), indices, {4}};
  }
  TensorView by_hand(std::string message) {
    TensorView t;
    t.message = messages.emplace_back(std::move(message));
    return t;
  }
  AttributeView attribute(std::string_view name, int32_t type) {
    AttributeView a;
    a.name = name, a.type = type;
    return a;
  }

  Everywhere() {
    marks.reserve(100), messages.reserve(100);
    using A = AttributeView;
    Model m = small_model({});
    GraphView& g = m.graph;
    g.initializers.push_back(raw("raw"));
    g.initializers.push_back(by_hand(number(1, 2) + number(2, 1) + bytes(8, "packed floats") + bytes(4, next())));
    g.initializers.push_back(by_hand(number(1, 2) + number(2, 1) + bytes(8, "floats one by one") + tag(4, 5) + "mark" + tag(4, 5) + "xxxx"));
    g.initializers.push_back(by_hand(number(1, 2) + number(2, 8) + bytes(8, "strings") + bytes(6, next()) + bytes(6, next())));
    g.initializers.push_back(by_hand(number(1, 0) + number(2, 1) + bytes(8, "empty")));
    g.sparse_initializers.push_back(sparse("sparse"));

    NodeView constants = node("Constant", {}, {"c"});
    constants.attributes.push_back(attribute("value", A::kTensor));
    constants.attributes.back().tensors.push_back(raw(""));
    constants.attributes.push_back(attribute("values", A::kTensors));
    constants.attributes.back().tensors = {raw("a"), raw("b")};
    constants.attributes.push_back(attribute("sparse_value", A::kSparse));
    constants.attributes.back().sparse.push_back(sparse(""));
    constants.attributes.push_back(attribute("sparse_values", A::kSparses));
    constants.attributes.back().sparse = {sparse("s"), sparse("t")};
    g.nodes.push_back(constants);

    GraphView inner;
    inner.name = "inner", inner.initializers.push_back(raw("in a branch"));
    GraphView outer;
    outer.name = "outer", outer.initializers.push_back(raw("in a branch"));
    outer.nodes.push_back(node("Loop", {}, {"l"}));
    outer.nodes[0].attributes.push_back(graph_attribute("body", inner));
    outer.nodes[0].attributes.push_back(attribute("bodies", A::kGraphs));
    inner.initializers = {raw("in a list of graphs")};
    outer.nodes[0].attributes[1].graphs = {inner, inner};
    g.nodes.push_back(node("If", {"x"}, {"y"}));
    g.nodes.back().attributes.push_back(graph_attribute("then_branch", outer));

    FunctionView f;
    f.name = "f", f.domain = "here";
    f.nodes.push_back(node("Constant", {}, {"d"}));
    f.nodes[0].attributes.push_back(attribute("value", A::kTensor));
    f.nodes[0].attributes[0].tensors.push_back(raw("in a function"));
    f.defaults.push_back(attribute("default", A::kTensor));
    f.defaults[0].tensors.push_back(raw("a default"));
    m.functions.push_back(f);

    // Training information is not modelled, yet its tensors are found: TrainingInfoProto {initialization = 1, algorithm = 2}.
    const std::string training = bytes(1, bytes(5, write_tensor(raw("training")))) + bytes(2, bytes(5, write_tensor(raw("training too"))));
    model = write_model(m) + bytes(20, training) + bytes(99, "a field of a later version");
  }
};

TEST(OnnxSplit, every_tensor_gives_its_data_and_gets_them_back) {
  const Everywhere all;
  const SplitModel s = split_bytes(all.model);
  for (const std::string& m : all.marks) {
    EXPECT_NE(all.model.find(m), std::string::npos) << m;
    EXPECT_EQ(s.model.find(m), std::string::npos) << m;
  }
  EXPECT_EQ(s.model.find("mark"), std::string::npos);
  EXPECT_NE(s.model.find("a field of a later version"), std::string::npos);
  // One a tensor: two strings and the floats one by one are one each; the graph that stands twice in a list has its tensor twice.
  EXPECT_EQ(s.blobs.size(), all.marks.size() - 1 + 1 + 1);
  EXPECT_EQ(joined_again(s), all.model) << "data that stand last come back where they were";
}

TEST(OnnxSplit, blobs_hold_raw_data_as_elements_and_typed_data_as_fields) {
  const std::string typed = number(1, 2) + number(2, 1) + bytes(8, "t") + bytes(4, "12345678");
  Model m = small_model({node("Add", {"x", "w"}, {"y"})});
  m.graph.initializers.push_back(raw_tensor("w", DType::f32, {2}, "abcdefgh"));
  m.graph.initializers.emplace_back().message = typed;
  const SplitModel s = split_bytes(write_model(m));
  ASSERT_EQ(s.blobs.size(), 2u);
  std::string raw(8, 0), fields(10, 0);
  s.blobs[0].read(0, 8, raw.data());
  s.blobs[1].read(0, 10, fields.data());
  EXPECT_EQ(raw, "abcdefgh");
  EXPECT_EQ(fields, bytes(4, "12345678"));
  char some[3] = {};
  s.blobs[0].read(5, 2, some);
  EXPECT_STREQ(some, "fg");
  const Model read = parse_model(s.model);
  EXPECT_EQ(blob_reference(read.graph.initializers[0], 2).form, BlobReference::raw);
  EXPECT_EQ(blob_reference(read.graph.initializers[1], 2).form, BlobReference::fields);
  EXPECT_EQ(blob_reference(read.graph.initializers[1], 2).index, 1u);
}

TEST(OnnxSplit, small_blobs_lie_together) {
  const std::string large(100'000, 'L'), small(8, 's');
  Model m = small_model({node("Add", {"x", "x"}, {"y"})});
  m.graph.initializers.push_back(raw_tensor("a", DType::f32, {25'000}, large));
  m.graph.initializers.push_back(raw_tensor("b", DType::f32, {2}, small));
  m.graph.initializers.push_back(raw_tensor("c", DType::f32, {25'000}, large));
  m.graph.initializers.push_back(raw_tensor("d", DType::f32, {2}, small));
  const std::string file = write_model(m);
  const SplitModel s = split_bytes(file);
  std::vector<int64_t> lengths;
  for (const SplitBlob& b : s.blobs) lengths.push_back(b.bytes);
  EXPECT_EQ(lengths, (std::vector<int64_t>{8, 8, 100'000, 100'000}));
  EXPECT_EQ(joined_again(s), file);
  EXPECT_LT(s.model.size(), 400u);
}

TEST(OnnxSplit, external_data_become_blobs_and_one_file_of_external_data) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "onnx_split";
  fs::create_directories(folder);
  std::ofstream(folder / "w.bin", std::ios::binary) << "________abcdefghABCDEFGH";
  const auto external = [](std::string_view name, std::string_view offset) {
    TensorView t;
    t.name = name, t.data_type = 1, t.dims = {2}, t.external = true;
    t.external_data = {{"location", "w.bin"}, {"offset", offset}, {"length", "8"}};
    return t;
  };
  Model m = small_model({node("Add", {"x", "w"}, {"y"})});
  m.graph.initializers = {external("w", "8"), external("v", "16"), external("the same as w", "8"), raw_tensor("r", DType::f32, {2}, "12345678")};
  const SplitModel s = split_bytes(write_model(m), folder.string());
  EXPECT_EQ(s.blobs.size(), 3u) << "what lies in one place is one blob";
  EXPECT_EQ(s.model.find("w.bin"), std::string::npos);
  const JoinedModel j = join(s.model, {8, 8, 8}, "out.onnx.data");
  ASSERT_EQ(j.data.size(), 2u);
  EXPECT_EQ(j.holes.size(), 1u);
  const std::string text = filled(j, s.blobs);
  const Model back = parse_model(text);
  std::string w(8, 0);
  const TensorView& first = back.graph.initializers[0];
  EXPECT_TRUE(first.external);
  EXPECT_EQ(first.external_data[0].second, "out.onnx.data");
  EXPECT_EQ(first.external_data, back.graph.initializers[2].external_data);
  EXPECT_NE(first.external_data, back.graph.initializers[1].external_data);
  s.blobs[j.data[0].blob].read(0, 8, w.data());
  EXPECT_EQ(w, "abcdefgh");
  EXPECT_EQ(back.graph.initializers[3].raw, "12345678");
  EXPECT_THROW(split_bytes(write_model(m), ""), Error) << "no folder to look in";
  fs::remove_all(folder);
}

TEST(OnnxSplit, what_is_no_reference_is_refused) {
  TensorView t;
  t.external = true;
  const auto result = [&](std::string_view location) {
    t.external_data = {{"location", location}};
    try {
      return std::to_string(blob_reference(t, 10).index);
    } catch (const Error& e) { return std::string(e.what()); }
  };
  EXPECT_EQ(result("raw:0"), "0");
  EXPECT_EQ(result("file:9"), "9");
  EXPECT_NE(result("raw:10").find("the file has 10"), std::string::npos);
  for (const char* bad : {"", "raw", "raw:", "raw:-1", "raw:1x", "raw: 1", "other:1", "weights.bin", "raw:99999999999999999999999"})
    EXPECT_NE(result(bad).find(std::string(bad) == "raw:10" ? "10" : "outside file"), std::string::npos) << bad;
  t.external_data.push_back({"offset", "0"});
  EXPECT_THROW(blob_reference(t, 10), Error);
  t.external_data = {{"location", "raw:0"}};
  t.has_raw = true;
  EXPECT_THROW(blob_reference(t, 10), Error);
  EXPECT_THROW(join(write_model(small_model({})).substr(0, 20), {}, "d"), Error);
}

TEST(OnnxSplit, bad_models_are_refused) {
  EXPECT_THROW(split_bytes(""), Error);
  EXPECT_THROW(split_bytes("not a model at all"), Error);
  Model m = small_model({});
  m.graph.initializers.emplace_back().message = "";
  const std::string both = number(1, 2) + number(2, 1) + bytes(8, "both") + bytes(4, "12345678") + bytes(9, "abcdefgh");
  m.graph.initializers[0].message = both;
  try {
    split_bytes(write_model(m));
    ADD_FAILURE() << "a tensor with two kinds of data";
  } catch (const Error& e) { EXPECT_NE(std::string(e.what()).find("tensor \"both\""), std::string::npos) << e.what(); }
}

}  // namespace
}  // namespace tenon::onnx
