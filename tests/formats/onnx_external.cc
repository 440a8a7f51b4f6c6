// External data of ONNX. The identifier in a test's name (X01 ...) is a case of
// docs/loader_attacks.md.
#include "formats/onnx/external.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "formats/formats.h"
#include "formats/hostile.h"
#include "formats/onnx_models.h"

namespace tenon::onnx {
namespace {

namespace fs = std::filesystem;
using Entries = std::vector<std::pair<std::string_view, std::string_view>>;

// A folder with model/weights.bin of 1 KiB (byte i is i), model/sub/weights.bin, and secret.bin beside the model's folder.
class OnnxExternal : public testing::Test {
 protected:
  OnnxExternal() : root_(fs::temp_directory_path() / ("tenon_external_" + std::to_string(getpid()))), folder_(root_ / "model") {
    fs::remove_all(root_);
    fs::create_directories(folder_ / "sub");
    for (const fs::path& p : {root_ / "secret.bin", folder_ / "weights.bin", folder_ / "sub/weights.bin"}) {
      std::ofstream file(p, std::ios::binary);
      for (int i = 0; i < 1024; ++i) file.put(static_cast<char>(i));
    }
  }
  ~OnnxExternal() override { fs::remove_all(root_); }

  testing::AssertionResult refuses(const std::string& location, std::string_view word, ExternalOptions options = {}) {
    return hostile::refused(word, 1024, [&] { open_external(folder_.string(), location, options); });
  }
  bool opens(const std::string& location, ExternalOptions options = {}) {
    return open_external(folder_.string(), location, options)->bytes() == 1024;
  }

  const fs::path root_, folder_;
};

TensorView external(const Entries& entries, std::vector<int64_t> dims = {4}) {
  TensorView t;
  t.name = "w", t.data_type = data_type_of(DType::f32), t.dims = std::move(dims), t.external = true, t.external_data = entries;
  return t;
}

testing::AssertionResult entries_refused(const Entries& entries, std::string_view word) {
  return hostile::refused(word, 1024, [&] { external_data(external(entries), 16); });
}

TEST_F(OnnxExternal, opens_beneath_the_folder) {
  EXPECT_TRUE(opens("weights.bin"));
  EXPECT_TRUE(opens("sub/weights.bin"));
  EXPECT_TRUE(opens("./sub//./weights.bin"));
  fs::copy_file(folder_ / "weights.bin", folder_ / "a\\..\\b%2e%2e.bin");
  EXPECT_TRUE(opens("a\\..\\b%2e%2e.bin"));
}

TEST_F(OnnxExternal, X01_X02_never_leaves_the_folder) {
  for (const char* location :
       {"../secret.bin", "../../etc/passwd", "a/../../b", "./../x", "sub/..//..", "sub/..", "..", "sub/../weights.bin", "sub/../../secret.bin"})
    EXPECT_TRUE(refuses(location, "leaves the model's folder")) << location;
  EXPECT_TRUE(refuses("..\\secret.bin", "cannot open"));
  EXPECT_TRUE(refuses("%2e%2e/secret.bin", "cannot open"));
  EXPECT_TRUE(refuses("...", "cannot open"));
}

TEST_F(OnnxExternal, X03_locations_that_are_none) {
  EXPECT_TRUE(refuses((root_ / "secret.bin").string(), "is absolute"));
  EXPECT_TRUE(refuses("/etc/passwd", "is absolute"));
  EXPECT_TRUE(refuses("", "is empty"));
  EXPECT_TRUE(refuses(".", "names no file"));
  EXPECT_TRUE(refuses("./.", "names no file"));
  EXPECT_TRUE(refuses("sub", "no regular file"));
  EXPECT_TRUE(refuses("sub/", "no regular file"));
  EXPECT_TRUE(refuses(std::string(5000, 'a'), "longer than 4096"));
  EXPECT_TRUE(refuses(std::string(4000, 'a'), "cannot open"));
  EXPECT_TRUE(refuses(std::string("weights.bin\0.txt", 16), "control characters"));
  EXPECT_TRUE(refuses("weights.bin\n", "control characters"));
  EXPECT_TRUE(refuses("weights.bin/", "cannot open"));
}

TEST_F(OnnxExternal, X04_symbolic_links) {
  fs::create_symlink(root_ / "secret.bin", folder_ / "last");
  fs::create_symlink("weights.bin", folder_ / "inside");
  fs::create_directory_symlink(root_, folder_ / "parent");
  fs::create_directory_symlink("sub", folder_ / "near");
  for (const char* location : {"last", "inside", "parent/secret.bin", "near/weights.bin"}) {
    EXPECT_TRUE(refuses(location, "symbolic link")) << location;
    EXPECT_TRUE(opens(location, {.follow_symlinks = true})) << location;
  }
}

TEST_F(OnnxExternal, X04_the_same_without_openat2) {
  const ExternalOptions old{.step_by_step = true};
  fs::create_symlink(root_ / "secret.bin", folder_ / "last");
  fs::create_directory_symlink(root_, folder_ / "parent");
  fs::create_directory_symlink("sub", folder_ / "near");
  EXPECT_TRUE(opens("weights.bin", old));
  EXPECT_TRUE(opens("./sub//weights.bin", old));
  for (const char* location : {"last", "parent/secret.bin", "near/weights.bin"})
    EXPECT_TRUE(refuses(location, "the external data file", old)) << location;
  EXPECT_TRUE(refuses("sub", "no regular file", old));
  EXPECT_TRUE(refuses("absent", "cannot open", old));
  EXPECT_TRUE(refuses("weights.bin/x", "cannot open", old));
}

TEST_F(OnnxExternal, X05_hard_links) {
  fs::create_hard_link(root_ / "secret.bin", folder_ / "hard");
  EXPECT_TRUE(refuses("hard", "hard links"));
  EXPECT_TRUE(opens("hard", {.hard_links = true}));
}

TEST_F(OnnxExternal, X06_only_regular_files_and_no_waiting) {
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(refuses("fifo", "no regular file"));
  fs::create_symlink("/dev/zero", folder_ / "zero");
  EXPECT_TRUE(refuses("zero", "no regular file", {.follow_symlinks = true}));
  fs::create_symlink("/proc/self/mem", folder_ / "mem");
  const auto memory = hostile::outcome(1024, [&] {
    const auto file = open_external(folder_.string(), "mem", {.follow_symlinks = true});
    check_external({.location = "mem", .offset = 0, .length = 16}, *file, 16);
  });
  EXPECT_TRUE(memory.code) << memory.failure;
}

TEST_F(OnnxExternal, X07_bytes_without_a_folder) {
  EXPECT_TRUE(hostile::refused("without a folder", 0, [] { open_external("", "weights.bin", {}); }));
}

TEST_F(OnnxExternal, X08_no_marker_is_special) { EXPECT_TRUE(refuses("*/_ORT_MEM_ADDR_/*", "cannot open")); }

TEST_F(OnnxExternal, X09_X10_numbers) {
  for (const char* text : {"-1", "", "x", "1e9", "+1", " 1", "1 ", "0x10", "1.0", "18446744073709551616", "99999999999999999999", "١"}) {
    EXPECT_TRUE(entries_refused({{"location", "w"}, {"offset", text}}, "no decimal number")) << text;
    EXPECT_TRUE(entries_refused({{"location", "w"}, {"length", text}}, "no decimal number")) << text;
  }
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"length", "15"}}, "15 bytes, the tensor's shape asks for 16"));
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"length", "1125899906842624"}}, "asks for 16"));
  const auto file = open_external(folder_.string(), "weights.bin", {});
  const auto at = [&](int64_t offset, int64_t bytes) { check_external({.location = "", .offset = offset, .length = bytes}, *file, bytes); };
  at(0, 1024), at(1024, 0), at(1008, 16);
  for (const auto& [offset, bytes] :
       {std::pair<int64_t, int64_t>{1009, 16}, {1024, 1}, {999999999999999999, 16}, {0, int64_t{1} << 50}, {INT64_MAX, INT64_MAX}})
    EXPECT_TRUE(hostile::refused("the file has 1024", 1024, [&, o = offset, b = bytes] { at(o, b); })) << offset;
}

TEST_F(OnnxExternal, X11_keys) {
  EXPECT_TRUE(entries_refused({}, "no location"));
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"__class__", "x"}}, "unknown key"));
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"Offset", "0"}}, "unknown key"));
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"", "0"}}, "unknown key"));
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"location", "v"}}, "twice"));
  EXPECT_TRUE(entries_refused({{"location", "w"}, {"offset", "0"}, {"offset", "0"}}, "twice"));
  const ExternalData d = external_data(external({{"location", "w"}, {"offset", "8"}, {"length", "16"}, {"checksum", "x"}, {"basepath", "/"}}), 16);
  EXPECT_EQ(d.location, "w");
  EXPECT_EQ(d.offset, 8);
  TensorView both = external({{"location", "w"}});
  both.raw = "1234", both.has_raw = true;
  EXPECT_TRUE(hostile::refused("data of its own", 100, [&] { external_data(both, 16); }));
}

TEST_F(OnnxExternal, X53_a_file_replaced_is_old_or_new) {
  const auto before = open_external(folder_.string(), "weights.bin", {});
  std::ofstream(folder_ / "new", std::ios::binary) << std::string(2048, 'n');
  fs::rename(folder_ / "new", folder_ / "weights.bin");
  EXPECT_EQ(before->bytes(), 1024);
  EXPECT_EQ(static_cast<const char*>(before->view(0, 1024))[65], 'A');
  const auto after = open_external(folder_.string(), "weights.bin", {});
  EXPECT_EQ(after->bytes(), 2048);
  EXPECT_EQ(static_cast<const char*>(after->view(0, 2048))[65], 'n');
}

// ---- whole models

ReadModel read(const std::string& file, const std::string& folder) {
  return read_model(make_memory_source(file.data(), static_cast<int64_t>(file.size())), folder, {});
}

NodeView constant(const char* name, const AttributeView& value) {
  NodeView n = node("Constant", {}, {name});
  n.attributes.push_back(value);
  return n;
}

// Models that use the tensor `t` in each place that one can stand.
std::vector<std::pair<std::string, std::string>> in_every_place(const TensorView& t) {
  std::vector<std::pair<std::string, std::string>> out;
  AttributeView value;
  value.name = "value", value.type = AttributeView::kTensor, value.tensors = {t};
  Model initializer = small_model({node("Add", {"x", "w"}, {"y"})});
  initializer.graph.initializers = {t};
  out.emplace_back("initializer", write_model(initializer));
  out.emplace_back("attribute", write_model(small_model({constant("w", value), node("Add", {"x", "w"}, {"y"})})));

  SparseTensorView sparse;
  sparse.values = t, sparse.dims = {4};
  static const std::string kIndices(32, 0);
  sparse.indices = raw_tensor("i", DType::s64, {4}, kIndices);
  AttributeView sparse_value;
  sparse_value.name = "sparse_value", sparse_value.type = AttributeView::kSparse, sparse_value.sparse = {sparse};
  out.emplace_back("sparse attribute", write_model(small_model({constant("w", sparse_value), node("Add", {"x", "w"}, {"y"})})));
  Model sparse_initializer = small_model({node("Add", {"x", "w"}, {"y"})});
  sparse_initializer.graph.sparse_initializers = {sparse};
  out.emplace_back("sparse initializer", write_model(sparse_initializer));

  GraphView branch;
  branch.name = "branch";
  branch.initializers = {t};
  branch.nodes = {node("Add", {"x", "w"}, {"z"})};
  branch.outputs.push_back({.name = "z", .type = tensor_type(DType::f32, {4})});
  NodeView choice = node("If", {"c"}, {"y"});
  choice.attributes = {graph_attribute("then_branch", branch), graph_attribute("else_branch", branch)};
  Model nested = small_model({choice});
  nested.graph.inputs.push_back({.name = "c", .type = tensor_type(DType::boolean, {})});
  out.emplace_back("subgraph", write_model(nested));

  NodeView call = node("F", {"x"}, {"y"});
  call.domain = "local";
  Model function = small_model({call});
  FunctionView f;
  f.name = "F", f.domain = "local", f.inputs = {"a"}, f.outputs = {"b"}, f.opsets = function.opsets;
  f.nodes = {constant("w", value), node("Add", {"a", "w"}, {"b"})};
  function.functions = {f};
  function.opsets.push_back({.domain = "local", .version = 1});
  out.emplace_back("function body", write_model(function));
  for (auto& [place, file] : out) EXPECT_FALSE(file.empty());
  return out;
}

TEST_F(OnnxExternal, X12_the_same_checks_in_every_place) {
  for (const auto& [place, file] : in_every_place(external({{"location", "../secret.bin"}}, {2}))) {
    const auto o = hostile::outcome(file.size(), [&, f = file] { read(f, folder_.string()); });
    EXPECT_TRUE(o.code && (o.text.find("leaves the model's folder") != std::string::npos || place.starts_with("sparse")))
        << place << ": " << o.text << o.failure;
  }
  for (const auto& [place, file] : in_every_place(external({{"location", "weights.bin"}, {"offset", "1020"}}, {2})))
    EXPECT_TRUE(hostile::outcome(file.size(), [&, f = file] { read(f, folder_.string()); }).code) << place;
}

TEST_F(OnnxExternal, X07_X12_loads_where_it_may) {
  for (const auto& [place, file] : in_every_place(external({{"location", "weights.bin"}, {"offset", "8"}, {"length", "8"}}, {2}))) {
    if (place.starts_with("sparse")) continue;
    const auto o = hostile::outcome(file.size(), [&, f = file] { read(f, folder_.string()); });
    EXPECT_FALSE(o.code) << place << ": " << o.text;
    EXPECT_EQ(o.failure, "") << place;
    EXPECT_TRUE(hostile::refused("without a folder", file.size(), [&, f = file] { read(f, ""); })) << place;
  }
}

TEST_F(OnnxExternal, X13_writing_a_model_touches_no_file) {
  fs::current_path(folder_);
  Model m = small_model({node("Add", {"x", "w"}, {"y"})});
  m.graph.initializers = {external({{"location", "../made.bin"}})};
  const std::string file = write_model(m);
  EXPECT_NE(file.find("../made.bin"), std::string::npos);
  EXPECT_FALSE(fs::exists(root_ / "made.bin"));
  fs::current_path("/");
}

}  // namespace
}  // namespace tenon::onnx
