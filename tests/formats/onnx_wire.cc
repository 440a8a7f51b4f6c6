// The bytes of ONNX: messages, tensors, data files. The identifier in a test's name (X31 ...) is a
// case of docs/loader_attacks.md.
#include <gtest/gtest.h>

#include <cstring>

#include "formats/hostile.h"
#include "formats/onnx/data.h"
#include "formats/onnx_models.h"

namespace tenon::onnx {
namespace {

testing::AssertionResult refuses(const std::string& file, std::string_view word) {
  return hostile::refused(word, file.size(), [&] { parse_model(file); });
}

// A model whose graph is these bytes.
std::string with_graph(std::string_view graph) { return number(1, 8) + bytes(7, graph); }
std::string with_node(std::string_view node) { return with_graph(bytes(1, node)); }

// If within If, `depth` times. Made from the inside out, back to front.
std::string nested_ifs(int depth) {
  std::string graph;
  const auto prepend = [&](std::string text) { graph.append(text.rbegin(), text.rend()); };
  for (int i = 0; i < depth; ++i)
    for (const auto& [field, before] : {std::pair<uint32_t, std::string>{6, bytes(1, "then_branch")}, {5, bytes(4, "If")}, {1, ""}}) {
      prepend(tag(field, 2) + varint(graph.size()));
      prepend(before);
    }
  return with_graph(std::string(graph.rbegin(), graph.rend()));
}

Model everything(const std::string& raw) {
  Model m = small_model({node("Conv", {"x", "", "w"}, {"h"}), node("If", {"c"}, {"y"})});
  m.producer = "t", m.producer_version = "1";
  m.metadata.push_back({"k", "v"});
  m.graph.nodes[0].name = "n", m.graph.nodes[0].domain = "d", m.graph.nodes[0].overload = "o";
  AttributeView a;
  const auto add = [&](std::string_view name, int32_t type, auto fill) {
    a = {};
    a.name = name, a.type = type;
    fill();
    m.graph.nodes[0].attributes.push_back(a);
  };
  const TensorView t = raw_tensor("t", DType::f32, {1}, raw);
  SparseTensorView s;
  s.values = t, s.indices = raw_tensor("i", DType::s64, {1}, raw), s.dims = {4};
  TypeView sequence;
  sequence.kind = TypeView::sequence;
  sequence.inner.push_back(tensor_type(DType::u8, {3, 4}));
  add("f", AttributeView::kFloat, [&] { a.f = 1.5f; });
  add("i", AttributeView::kInt, [&] { a.i = -7; });
  add("s", AttributeView::kString, [&] { a.s = "text"; });
  add("t", AttributeView::kTensor, [&] { a.tensors = {t}; });
  add("fs", AttributeView::kFloats, [&] { a.floats = {1, 2, 3}; });
  add("is", AttributeView::kInts, [&] { a.ints = {-1, 0, INT64_MAX}; });
  add("ss", AttributeView::kStrings, [&] { a.strings = {"a", "", "b"}; });
  add("ts", AttributeView::kTensors, [&] { a.tensors = {t, t}; });
  add("sp", AttributeView::kSparse, [&] { a.sparse = {s}; });
  add("sps", AttributeView::kSparses, [&] { a.sparse = {s, s}; });
  add("tp", AttributeView::kType, [&] { a.types = {sequence}; });
  add("tps", AttributeView::kTypes, [&] { a.types = {sequence, sequence}; });
  add("r", AttributeView::kInt, [&] { a.reference = "outer"; });
  GraphView body;
  body.name = "body";
  body.nodes.push_back(node("Identity", {"x"}, {"z"}));
  body.outputs.push_back({.name = "z", .type = sequence});
  m.graph.nodes[1].attributes = {graph_attribute("then_branch", body), graph_attribute("else_branch", body)};
  m.graph.initializers.push_back(t);
  m.graph.sparse_initializers.push_back(s);
  FunctionView f;
  f.name = "f", f.domain = "d", f.overload = "o", f.inputs = {"a"}, f.outputs = {"b"}, f.attributes = {"alpha"};
  f.nodes.push_back(node("Relu", {"a"}, {"b"}));
  f.opsets = m.opsets;
  f.defaults = {m.graph.nodes[0].attributes[0]};
  m.functions.push_back(f);
  return m;
}

TEST(OnnxWire, reads_what_it_writes) {
  const std::string raw(8, 1), file = write_model(everything(raw));
  const Model m = parse_model(file);
  EXPECT_EQ(write_model(m), file);
  const NodeView& n = m.graph.nodes[0];
  EXPECT_EQ(n.inputs, (std::vector<std::string_view>{"x", "", "w"}));
  EXPECT_EQ(n.overload, "o");
  EXPECT_EQ(n.find("f")->f, 1.5f);
  EXPECT_EQ(n.find("is")->ints, (std::vector<int64_t>{-1, 0, INT64_MAX}));
  EXPECT_EQ(n.find("ss")->strings.size(), 3u);
  EXPECT_EQ(n.find("ts")->tensors.size(), 2u);
  EXPECT_EQ(n.find("tp")->types[0].inner[0].shape[1].value, 4);
  EXPECT_EQ(n.find("r")->reference, "outer");
  EXPECT_EQ(n.find("absent"), nullptr);
  EXPECT_EQ(m.graph.nodes[1].find("else_branch")->graphs[0].nodes[0].op, "Identity");
  EXPECT_EQ(m.functions[0].attributes[0], "alpha");
  EXPECT_EQ(m.metadata[0].second, "v");
  // In place.
  EXPECT_GE(m.graph.initializers[0].raw.data(), file.data());
  EXPECT_LT(m.graph.initializers[0].raw.data(), file.data() + file.size());
}

TEST(OnnxWire, attributes_without_a_type) {
  const std::string file = with_node(bytes(5, bytes(1, "axes") + bytes(8, varint(3))) + bytes(5, bytes(1, "axis") + number(3, 2)) +
                                     bytes(5, bytes(1, "mode") + bytes(4, "same")));
  const Model m = parse_model(file);
  EXPECT_EQ(m.graph.nodes[0].attributes[0].type, AttributeView::kInts);
  EXPECT_EQ(m.graph.nodes[0].attributes[1].type, AttributeView::kInt);
  EXPECT_EQ(m.graph.nodes[0].attributes[2].type, AttributeView::kString);
}

TEST(OnnxWire, X31_nesting) {
  const std::string most = nested_ifs(31);
  EXPECT_EQ(parse_model(most).graph.nodes[0].attributes[0].graphs[0].nodes.size(), 1u);
  for (int depth : {32, 33, 100, 10000}) EXPECT_TRUE(refuses(nested_ifs(depth), "limit depth")) << depth;
  std::string type;
  for (int i = 0; i < 2000; ++i) type = bytes(4, bytes(1, type));
  EXPECT_TRUE(refuses(with_graph(bytes(11, bytes(2, type))), "limit depth"));
  LoadLimits deep;
  deep.depth = INT64_MAX;
  const std::string file = nested_ifs(10000);
  EXPECT_TRUE(hostile::refused("limit depth", file.size(), [&] { parse_model(file, deep); }));
}

TEST(OnnxWire, X39_strings) {
  const std::string long_doc(32 << 20, 'd');
  const std::string file = number(1, 8) + bytes(6, long_doc) + bytes(7, bytes(10, long_doc));
  EXPECT_EQ(hostile::outcome(file.size(), [&] { parse_model(file); }).failure, "");
  EXPECT_TRUE(refuses(with_node(bytes(3, std::string(70000, 'n'))), "65536 bytes"));
  for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"})
    EXPECT_TRUE(refuses(with_node(bytes(3, text)), "not UTF-8"));
  const std::string odd = with_node(bytes(3, "%n\x1b[31m \xe2\x82\xac"));
  EXPECT_EQ(parse_model(odd).graph.nodes[0].name, "%n\x1b[31m \xe2\x82\xac");
}

TEST(OnnxWire, X40_fields_that_lie) {
  EXPECT_TRUE(refuses(tag(7, 2) + varint(uint64_t{2} << 30), "longer than what is left"));
  EXPECT_TRUE(refuses(tag(7, 2) + varint((uint64_t{1} << 32) + 1) + "x", "longer than what is left"));
  EXPECT_TRUE(refuses(tag(99, 2) + varint(UINT64_MAX), "longer than what is left"));
  EXPECT_TRUE(refuses(tag(1, 0) + std::string(10, '\xff') + '\1', "no protobuf"));
  EXPECT_TRUE(refuses(tag(99, 0) + std::string(10, '\xff') + '\1', "no protobuf"));
  for (uint32_t wire : {3, 4, 6, 7}) EXPECT_TRUE(refuses(tag(1, wire) + std::string(20, 1), "no protobuf")) << wire;
  EXPECT_TRUE(refuses(number(0, 1), "no protobuf"));
  EXPECT_TRUE(refuses("", "empty"));
  // A right field with a wrong wire type, for each scalar type.
  EXPECT_TRUE(refuses(bytes(1, "x"), "wire type"));
  EXPECT_TRUE(refuses(number(7, 1), "wire type"));
  EXPECT_TRUE(refuses(with_node(number(1, 1)), "wire type"));
  EXPECT_TRUE(refuses(with_node(bytes(5, number(2, 1))), "wire type"));
  EXPECT_TRUE(refuses(with_node(bytes(5, number(7, 1))), "wire type"));
  EXPECT_TRUE(refuses(with_node(bytes(5, tag(8, 5) + "abcd")), "wire type"));
  EXPECT_TRUE(refuses(with_node(bytes(5, bytes(7, "abcde"))), "ends within a number"));
  EXPECT_TRUE(refuses(with_node(bytes(5, bytes(8, "\x80"))), "no protobuf"));
  EXPECT_TRUE(refuses(with_node(bytes(5, bytes(1, "a") + bytes(8, "\x80"))), "node 0\n  attribute 0"));
}

TEST(OnnxWire, X40_packed_and_unpacked_mixed_and_scalars_twice) {
  const std::string file = with_node(
      bytes(5, number(8, 1) + bytes(8, varint(2) + varint(300)) + number(8, 4) + tag(7, 5) + std::string(4, 0) + bytes(7, std::string(8, 0))) +
      bytes(4, "First") + bytes(4, "Last"));
  const Model m = parse_model(file);
  EXPECT_EQ(m.graph.nodes[0].attributes[0].ints, (std::vector<int64_t>{1, 2, 300, 4}));
  EXPECT_EQ(m.graph.nodes[0].attributes[0].floats.size(), 3u);
  EXPECT_EQ(m.graph.nodes[0].op, "Last");
}

TEST(OnnxWire, X40_floods) {
  const size_t million = 1 << 20;
  EXPECT_EQ(hostile::outcome(2 * million, [&] { parse_model(repeated(million, number(99, 0))); }).failure, "");
  // Empty messages of two bytes: nodes, attributes, initializers, value infos, functions, opsets, entries.
  const std::string nodes = with_graph(repeated(million / 2, bytes(1, "")));
  EXPECT_EQ(hostile::outcome(nodes.size(), [&] { parse_model(nodes); }).failure, "");
  EXPECT_TRUE(refuses(with_node(repeated(million / 2, bytes(5, ""))), "limit view_bytes"));
  EXPECT_TRUE(refuses(with_graph(repeated(million / 2, bytes(5, ""))), "limit view_bytes"));
  EXPECT_TRUE(refuses(with_graph(repeated(32 * million, bytes(1, ""))), "limit view_bytes"));
  EXPECT_TRUE(refuses(repeated(million / 2, bytes(25, "")), "limit view_bytes"));
  EXPECT_TRUE(refuses(with_node(bytes(5, bytes(8, std::string(16 * million, 1)))), "limit view_bytes"));
  const std::string infos = with_graph(repeated(million / 2, bytes(13, "")));
  EXPECT_EQ(hostile::outcome(infos.size(), [&] { parse_model(infos); }).failure, "");
  const std::string names = with_node(repeated(million / 2, bytes(1, "")));
  EXPECT_EQ(hostile::outcome(names.size(), [&] { parse_model(names); }).failure, "");
}

TEST(OnnxWire, X40_counts_have_limits) {
  LoadLimits few;
  few.nodes = 2, few.tensors = 2;
  const std::string nodes = with_graph(repeated(3, bytes(1, ""))), tensors = with_graph(repeated(3, bytes(5, "")));
  EXPECT_TRUE(hostile::refused("limit nodes", 0, [&] { parse_model(nodes, few); }));
  EXPECT_TRUE(hostile::refused("limit tensors", 0, [&] { parse_model(tensors, few); }));
  few.bytes = 3;
  EXPECT_TRUE(hostile::refused("limit bytes", 0, [&] { parse_model(nodes, few); }));
}

TEST(OnnxWire, X41_cut_changed_and_spliced) {
  const std::string raw(8, 1), file = write_model(everything(raw));
  hostile::mangle(file, [](std::string_view b) { parse_model(b); });
  EXPECT_TRUE(refuses(file + file, "graph 2 times"));
  EXPECT_TRUE(refuses(with_node(bytes(5, bytes(5, "") + bytes(5, ""))), "tensor 2 times"));
  EXPECT_TRUE(refuses(with_node(bytes(5, bytes(6, "") + bytes(6, ""))), "graph 2 times"));
  EXPECT_TRUE(refuses(with_graph(bytes(11, bytes(2, "") + bytes(2, ""))), "type 2 times"));
}

// ---- tensors

testing::AssertionResult tensor_refuses(const std::string& message, std::string_view word) {
  return hostile::refused(word, message.size(), [&] { owned(parse_tensor(message)); });
}

std::string tensor(int type, std::initializer_list<int64_t> dims, std::string_view rest) {
  std::string out;
  for (int64_t d : dims) out += number(1, d);
  return out + number(2, type) + std::string(rest);
}

std::string packed(uint32_t field, std::initializer_list<int64_t> values) {
  std::string all;
  for (int64_t v : values) all += varint(static_cast<uint64_t>(v));
  return bytes(field, all);
}

template <class T>
std::string fixed(uint32_t field, std::initializer_list<T> values) {
  return bytes(field, {reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(T)});
}

std::vector<double> cells(const std::string& message) {
  const OwnedTensor t = owned(parse_tensor(message));
  std::vector<double> out;
  for (int64_t i = 0; i < t.count() * (is_complex(t.dtype()) ? 2 : 1); ++i) {
    const Cell c = load_cell(t.dtype(), t.data(), i);
    out.push_back(is_real(t.dtype()) || is_complex(t.dtype()) ? c.real : static_cast<double>(c.integer));
  }
  return out;
}

using Values = std::vector<double>;

TEST(OnnxTensor, typed_data_of_every_type) {
  EXPECT_EQ(cells(tensor(1, {2}, fixed<float>(4, {1.5f, -2}))), (Values{1.5, -2}));
  EXPECT_EQ(cells(tensor(11, {2}, fixed<double>(10, {1.25, -2}))), (Values{1.25, -2}));
  EXPECT_EQ(cells(tensor(14, {1}, fixed<float>(4, {1, 2}))), (Values{1, 2}));
  EXPECT_EQ(cells(tensor(15, {1}, fixed<double>(10, {1, 2}))), (Values{1, 2}));
  EXPECT_EQ(cells(tensor(7, {2}, packed(7, {-1, 1}))), (Values{-1, 1}));
  EXPECT_EQ(cells(tensor(6, {2}, packed(5, {-1, 1}))), (Values{-1, 1}));
  EXPECT_EQ(cells(tensor(5, {1}, packed(5, {-32768}))), (Values{-32768}));
  EXPECT_EQ(cells(tensor(4, {1}, packed(5, {65535}))), (Values{65535}));
  EXPECT_EQ(cells(tensor(3, {1}, packed(5, {-128}))), (Values{-128}));
  EXPECT_EQ(cells(tensor(2, {1}, packed(5, {255}))), (Values{255}));
  EXPECT_EQ(cells(tensor(9, {2}, packed(5, {0, 1}))), (Values{0, 1}));
  EXPECT_EQ(cells(tensor(12, {1}, packed(11, {4294967295}))), (Values{4294967295.}));
  EXPECT_EQ(cells(tensor(13, {1}, packed(11, {5}))), (Values{5}));
  EXPECT_EQ(cells(tensor(10, {1}, packed(5, {0x3c00}))), (Values{1}));  // f16
  EXPECT_EQ(cells(tensor(16, {1}, packed(5, {0x3f80}))), (Values{1}));  // bf16
  EXPECT_EQ(cells(tensor(17, {1}, packed(5, {0x38}))), (Values{1}));    // f8e4m3fn
  EXPECT_EQ(cells(tensor(18, {1}, packed(5, {0x40}))), (Values{1}));    // f8e4m3fnuz
  EXPECT_EQ(cells(tensor(19, {1}, packed(5, {0x3c}))), (Values{1}));    // f8e5m2
  EXPECT_EQ(cells(tensor(20, {1}, packed(5, {0x40}))), (Values{1}));    // f8e5m2fnuz
  EXPECT_EQ(cells(tensor(24, {1}, packed(5, {0x80}))), (Values{2}));    // f8e8m0
  EXPECT_EQ(cells(tensor(21, {3}, packed(5, {0xf1, 0x02}))), (Values{1, 15, 2}));
  EXPECT_EQ(cells(tensor(22, {3}, packed(5, {0xf1, 0x0e}))), (Values{1, -1, -2}));
  EXPECT_EQ(cells(tensor(23, {2}, packed(5, {0xa2}))), (Values{1, -1}));  // f4e2m1
  EXPECT_EQ(cells(tensor(25, {5}, packed(5, {0xe4, 0x01}))), (Values{0, 1, 2, 3, 1}));
  EXPECT_EQ(cells(tensor(26, {4}, packed(5, {0xe4}))), (Values{0, 1, -2, -1}));
  // Packed and one by one, and both.
  EXPECT_EQ(cells(tensor(7, {3}, number(7, 1) + packed(7, {2}) + number(7, 3))), (Values{1, 2, 3}));
  const OwnedTensor s = owned(parse_tensor(tensor(8, {2}, bytes(6, "a") + bytes(6, "\xff"))));
  EXPECT_EQ(s.as<std::string>()[1], "\xff");
}

TEST(OnnxTensor, raw_data) {
  EXPECT_EQ(cells(tensor(22, {3}, bytes(9, "\xf1\xfe"))), (Values{1, -1, -2}));
  EXPECT_EQ(cells(tensor(9, {3}, bytes(9, std::string_view("\0\1\x80", 3)))), (Values{0, 1, 1}));
  EXPECT_EQ(cells(tensor(1, {0, 3}, "")), Values{});
  EXPECT_EQ(cells(tensor(1, {0}, bytes(9, ""))), Values{});
  // An empty raw field beside typed data counts as absent.
  EXPECT_EQ(cells(tensor(7, {1}, bytes(9, "") + packed(7, {4}))), Values{4});
}

TEST(OnnxTensor, X15_sizes_that_do_not_fit) {
  EXPECT_TRUE(tensor_refuses(tensor(1, {2}, bytes(9, "1234567")), "7 bytes, its shape asks for 8"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {2}, bytes(9, "123456789")), "9 bytes"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {2}, bytes(9, "")), "0 bytes"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {2}, ""), "0 numbers, its shape asks for 2"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {1}, bytes(9, "1234") + fixed<float>(4, {1})), "both raw and typed"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {2}, fixed<float>(4, {1})), "1 numbers"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {2}, fixed<float>(4, {1, 2, 3})), "3 numbers"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {1}, packed(7, {1})), "in field 7"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {1}, fixed<float>(4, {1}) + packed(5, {1})), "in field 5"));
  EXPECT_TRUE(tensor_refuses(tensor(14, {1}, fixed<float>(4, {1})), "asks for 2"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {1000000000000}, fixed<float>(4, {1})), "asks for 1000000000000"));
  EXPECT_TRUE(tensor_refuses(tensor(3, {1}, packed(5, {128})), "128 is none of s8"));
  EXPECT_TRUE(tensor_refuses(tensor(10, {1}, packed(5, {65536})), "65536 is none of f16"));
  EXPECT_TRUE(tensor_refuses(tensor(9, {1}, packed(5, {2})), "2 is none of bool"));
  EXPECT_TRUE(tensor_refuses(tensor(12, {1}, packed(11, {4294967296})), "none of u32"));
}

TEST(OnnxTensor, X16_dims) {
  EXPECT_TRUE(tensor_refuses(tensor(1, {-1}, ""), "-1"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {INT64_MIN}, ""), "axis 0"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {int64_t{1} << 32, int64_t{1} << 31}, ""), "2^62"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {int64_t{1} << 32, int64_t{1} << 32}, ""), "2^62"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {int64_t{1} << 62, 4, 0}, ""), "2^62"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {int64_t{1} << 41}, ""), "limit elements"));
  std::string dims;
  for (int i = 0; i < 65; ++i) dims += varint(1);
  EXPECT_TRUE(tensor_refuses(bytes(1, dims) + number(2, 1), "64 dimensions"));
}

TEST(OnnxTensor, X17_types) {
  EXPECT_TRUE(tensor_refuses(tensor(0, {1}, ""), "undefined"));
  EXPECT_TRUE(tensor_refuses(tensor(-5, {1}, ""), "undefined"));
  for (int type : {27, 28, 999, INT32_MAX}) EXPECT_TRUE(tensor_refuses(tensor(type, {1}, ""), "not supported"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {1}, "") + number(2, (int64_t{1} << 32) + 1), "not supported"));
  EXPECT_TRUE(tensor_refuses(tensor(8, {1}, bytes(9, "12345678")), "strings has raw data"));
  EXPECT_TRUE(tensor_refuses(tensor(8, {2}, bytes(6, "a")), "1 strings"));
  EXPECT_TRUE(tensor_refuses(tensor(22, {3}, bytes(9, "1")), "asks for 2"));
  EXPECT_TRUE(tensor_refuses(tensor(22, {3}, bytes(9, "123")), "asks for 2"));
  EXPECT_TRUE(tensor_refuses(tensor(1, {1}, bytes(3, number(1, 0))), "segments"));
}

std::vector<char> dense_elements(const std::string& values, const std::string& indices, std::vector<int64_t> dims) {
  SparseTensorView s;
  s.values = parse_tensor(values), s.indices = parse_tensor(indices), s.dims = std::move(dims);
  return elements(s);
}

TEST(OnnxTensor, sparse_tensors_become_dense) {
  const std::string two = tensor(1, {2}, fixed<float>(4, {5, 7}));
  const auto at = [](const std::vector<char>& dense, int64_t i) { return load_cell(DType::f32, dense.data(), i).real; };
  std::vector<char> dense = dense_elements(two, tensor(7, {2}, packed(7, {1, 5})), {2, 3});
  EXPECT_EQ(at(dense, 0), 0);
  EXPECT_EQ(at(dense, 1), 5);
  EXPECT_EQ(at(dense, 5), 7);
  dense = dense_elements(two, tensor(7, {2, 2}, packed(7, {0, 1, 1, 2})), {2, 3});
  EXPECT_EQ(at(dense, 1), 5);
  EXPECT_EQ(at(dense, 5), 7);
  const std::string complex = tensor(14, {1}, fixed<float>(4, {1, 2})), one = tensor(7, {1}, packed(7, {1}));
  dense = dense_elements(complex, one, {2});
  EXPECT_EQ(at(dense, 2), 1);
  EXPECT_EQ(at(dense, 3), 2);
  EXPECT_EQ(dense_elements(tensor(1, {0}, ""), tensor(7, {0}, ""), {2}).size(), 8u);
}

TEST(OnnxTensor, X18_sparse_tensors_that_lie) {
  const std::string two = tensor(1, {2}, fixed<float>(4, {5, 7}));
  const auto refuses = [&](const std::string& indices, std::vector<int64_t> dims, std::string_view word) {
    return hostile::refused(word, 1000, [&] { dense_elements(two, indices, dims); });
  };
  EXPECT_TRUE(refuses(tensor(7, {3}, packed(7, {0, 1, 2})), {6}, "have the shape"));
  EXPECT_TRUE(refuses(tensor(7, {2, 2}, packed(7, {0, 0, 0, 1})), {6}, "have the shape"));
  EXPECT_TRUE(refuses(tensor(7, {2, 1, 1}, packed(7, {0, 1})), {6}, "have the shape"));
  EXPECT_TRUE(refuses(tensor(6, {2}, packed(5, {0, 1})), {6}, "are s64"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {0, 6})), {6}, "not below 6"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {-1, 2})), {6}, "not below 6"));
  EXPECT_TRUE(refuses(tensor(7, {2, 2}, packed(7, {0, 0, 0, 3})), {2, 3}, "not below 3"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {3, 1})), {6}, "increasing order"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {3, 3})), {6}, "increasing order"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {0})), {6}, "1 numbers"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {0, 1})), {1000000, 1000000}, "limit fold_bytes_node"));
  EXPECT_TRUE(refuses(tensor(7, {2}, packed(7, {0, 1})), {int64_t{1} << 40, int64_t{1} << 40}, "2^62"));
  EXPECT_TRUE(hostile::refused("one axis", 100, [&] {
    dense_elements(tensor(1, {1, 1}, fixed<float>(4, {5})), tensor(7, {1}, packed(7, {0})), {2});
  }));
  EXPECT_TRUE(hostile::refused("strings", 100, [&] { dense_elements(tensor(8, {1}, bytes(6, "a")), tensor(7, {1}, packed(7, {0})), {2}); }));
}

TEST(OnnxTensor, X41_cut_or_changed_anywhere) {
  for (const std::string& message :
       {tensor(7, {3}, number(7, 1) + packed(7, {2, -1})), tensor(8, {2}, bytes(6, "ab") + bytes(6, "c")), tensor(22, {2, 2}, bytes(9, "ab"))})
    hostile::mangle(message, [](std::string_view b) { owned(parse_tensor(b)); });
}

// ---- data files

TEST(OnnxData, values_of_every_kind) {
  OwnedTensor t(DType::f32, {2}), s(DType::string, {1});
  t.as<float>()[0] = 1, t.as<float>()[1] = 2;
  s.as<std::string>()[0] = "word";
  DataValue v;
  v.name = "in";
  v.tensors.push_back(OwnedTensor(t.view()));
  for (Container c : {Container::tensor, Container::sequence, Container::optional, Container::optional_sequence}) {
    v.container = c;
    const DataValue back = read_value(write_value(v), c);
    EXPECT_EQ(back.name, "in");
    EXPECT_TRUE(back.present);
    ASSERT_EQ(back.tensors.size(), 1u);
    EXPECT_EQ(back.tensors[0].as<float>()[1], 2);
  }
  v.tensors.insert(v.tensors.begin(), OwnedTensor(s.view()));
  v.tensors[1] = OwnedTensor(DType::f32, {1});
  v.tensors[1].as<float>()[0] = 7;
  for (Container c : {Container::map, Container::map_sequence}) {
    v.container = c;
    const DataValue back = read_value(write_value(v), c);
    ASSERT_EQ(back.tensors.size(), 2u);
    EXPECT_EQ(back.tensors[0].as<std::string>()[0], "word");
    EXPECT_EQ(back.tensors[1].as<float>()[0], 7);
  }
  v.container = Container::optional;
  v.present = false, v.tensors.clear();
  EXPECT_FALSE(read_value(write_value(v), Container::optional).present);
  EXPECT_EQ(read_value("", Container::sequence).tensors.size(), 0u);
  EXPECT_EQ(owned(parse_tensor(write_tensor(s.view(), "s"))).as<std::string>()[0], "word");
}

TEST(OnnxData, X41_cut_or_changed_anywhere) {
  DataValue v;
  v.tensors.emplace_back(DType::u8, std::vector<int64_t>{2});
  std::memset(v.tensors[0].data(), 0, 2);
  for (Container c : {Container::sequence, Container::optional, Container::optional_sequence}) {
    v.container = c;
    hostile::mangle(write_value(v), [&](std::string_view b) { read_value(b, c); });
  }
  v.tensors.clear();
  for (DType t : {DType::s64, DType::f32}) {
    v.tensors.emplace_back(t, std::vector<int64_t>{1});
    std::memset(v.tensors.back().data(), 0, static_cast<size_t>(bits(t) / 8));
  }
  for (Container c : {Container::map, Container::map_sequence}) {
    v.container = c;
    hostile::mangle(write_value(v), [&](std::string_view b) { read_value(b, c); });
  }
  EXPECT_TRUE(hostile::refused("1 keys and 0 values", 10, [] { read_value(number(3, 7), Container::map); }));
  EXPECT_TRUE(hostile::refused("keys of type f32", 10, [] { read_value(number(2, 1), Container::map); }));
  EXPECT_TRUE(hostile::refused("maps were expected", 10, [] { read_value(bytes(3, ""), Container::map_sequence); }));
  EXPECT_TRUE(hostile::refused("maps", 10, [] { read_value(bytes(6, ""), Container::sequence); }));
  EXPECT_TRUE(hostile::refused("two values", 10, [] { read_value(bytes(5, "") + bytes(5, ""), Container::optional_sequence); }));
  EXPECT_TRUE(hostile::refused("a tensor was expected", 10, [] { read_value(bytes(5, ""), Container::optional); }));
}

}  // namespace
}  // namespace tenon::onnx
