// What the picture models are worth on labelled pictures. README.md states preparations and metrics, answers.json the figures of ONNX
// Runtime. A JPEG decoder may differ by a level from the one behind those figures, so a picture or two may tip.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "models/shared.h"

namespace tenon::models {
namespace {

using media::Image;

const media::Normalisation kImagenet{.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};

struct Labelled {
  std::string file;
  int64_t label;
};

std::vector<Labelled> imagenet_samples() {
  std::vector<Labelled> out;
  for (const std::string& line : load_lines(shared("data/imagenet_samples/labels.tsv"))) {
    const std::vector<std::string> fields = split(line, '\t');
    if (fields[1] != "class_index") out.push_back({shared("data/imagenet_samples/" + fields[0]), std::stoll(fields[1])});
  }
  return out;
}

std::string parts(int64_t right, int64_t of) { return std::to_string(right) + " of " + std::to_string(of); }

void expect_mobilenet(const std::string& model, const std::string& file, DType dtype, int64_t top1_asked, int64_t top5_asked) {
  Engine engine(file);
  int64_t count = 0, top1 = 0, top5 = 0;
  for (const Labelled& sample : imagenet_samples()) {
    if (sample.label % 5 != 0) continue;
    const OwnedTensor input = media::pixels(media::centre_crop(media::resize_short_side(media::load_image(sample.file), 256), 224, 224), kImagenet);
    const OwnedTensor halved = dtype == DType::f16 ? half(input) : OwnedTensor();
    const std::vector<float> logits = to_floats(engine.run({dtype == DType::f16 ? halved.view() : input.view()})[0]);
    ASSERT_EQ(logits.size(), 1000u);
    const float own = logits[static_cast<size_t>(sample.label)];
    const auto better = std::count_if(logits.begin(), logits.end(), [&](float v) { return v > own; });
    ++count;
    top1 += better == 0;
    top5 += better < 5;
  }
  report(model, "top-1 " + parts(top1, count) + ", top-5 " + parts(top5, count));
  EXPECT_EQ(count, 200);
  EXPECT_GE(top1, top1_asked);
  EXPECT_GE(top5, top5_asked);
}

TEST(Mobilenet, fp32) {
  TENON_NEEDS_SHARED();
  expect_mobilenet("mobilenetv2_fp32", "mobilenetv2_fp32/mobilenetv2_fp32.onnx", DType::f32, 168, 193);
}

TEST(Mobilenet, fp16) {
  TENON_NEEDS_SHARED();
  expect_mobilenet("mobilenetv2_fp16", "mobilenetv2_fp16/mobilenetv2_fp16.onnx", DType::f16, 168, 193);
}

TEST(Mobilenet, static_int8) {
  TENON_NEEDS_SHARED();
  expect_mobilenet("mobilenetv2_qdq", "mobilenetv2_qdq/mobilenetv2-12-qdq.onnx", DType::f32, 167, 192);
}

TEST(Mobilenet, dynamic_int8) {
  TENON_NEEDS_SHARED();
  expect_mobilenet("mobilenetv2_dynint8", "mobilenetv2_dynint8/mobilenetv2_int8.onnx", DType::f32, 168, 192);
}

void expect_cifar10(const std::string& model, const std::string& file, int64_t asked) {
  Engine engine(file);
  const std::string records = load_bytes(shared("data/cifar10/cifar10_100.bin"));
  const float mean[] = {0.4914f, 0.4822f, 0.4465f}, std[] = {0.2023f, 0.1994f, 0.2010f};
  constexpr int64_t kPlane = 1024, kRecord = 1 + 3 * kPlane;
  const int64_t count = static_cast<int64_t>(records.size()) / kRecord;
  OwnedTensor input(DType::f32, {1, 3, 32, 32});
  int64_t right = 0;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t i = 0; i < 3 * kPlane; ++i) {
      const auto level = static_cast<uint8_t>(records[static_cast<size_t>(r * kRecord + 1 + i)]);
      input.as<float>()[i] = (static_cast<float>(level) / 255 - mean[i / kPlane]) / std[i / kPlane];
    }
    right += best(engine.run({input})[0].as<float>(), 10) == records[static_cast<size_t>(r * kRecord)];
  }
  report(model, parts(right, count) + " right");
  EXPECT_EQ(count, 100);
  EXPECT_GE(right, asked);
}

TEST(Cifar10, resnet20) {
  TENON_NEEDS_SHARED();
  expect_cifar10("resnet20_cifar10", "resnet20_cifar10/resnet20.onnx", 99);
}

TEST(Cifar10, vision_transformer) {
  TENON_NEEDS_SHARED();
  expect_cifar10("vit_cifar10", "vit_cifar10/vit_pgd_2_3_16.onnx", 100);
}

TEST(Mnist, digits) {
  TENON_NEEDS_SHARED();
  Engine engine("mnist/mnist.onnx");
  const Idx images = load_idx(shared("data/mnist/t10k-first5000-images-idx3-ubyte.gz"));
  const Idx labels = load_idx(shared("data/mnist/t10k-first5000-labels-idx1-ubyte.gz"));
  OwnedTensor input(DType::f32, {1, 1, 28, 28});
  int64_t right = 0, first_500 = 0;
  for (int64_t i = 0; i < images.shape[0]; ++i) {
    std::copy_n(images.item(i), 28 * 28, input.as<float>());
    right += best(engine.run({input})[0].as<float>(), 10) == *labels.item(i);
    if (i == 499) first_500 = right;
  }
  report("mnist", parts(first_500, 500) + ", " + parts(right, images.shape[0]) + " right");
  EXPECT_EQ(first_500, answers("mnist").at("first_500").get<int64_t>());
  EXPECT_EQ(right, answers("mnist").at("all_5000").get<int64_t>());
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Boxes of one block of YOLOX output, [85, side, side], in pixels of its 640 x 640 input.
void read_block(const float* block, int64_t stride, std::vector<Found>& found) {
  const int64_t side = 640 / stride, area = side * side;
  for (int64_t at = 0; at < area; ++at) {
    const double object = sigmoid(block[4 * area + at]);
    if (object < 0.3) continue;
    for (int64_t kind = 0; kind < 80; ++kind) {
      const double score = object * sigmoid(block[(5 + kind) * area + at]);
      if (score < 0.3) continue;
      const double s = static_cast<double>(stride);
      const double x = (block[at] + static_cast<double>(at % side)) * s, y = (block[area + at] + static_cast<double>(at / side)) * s;
      const double w = std::exp(block[2 * area + at]) * s, h = std::exp(block[3 * area + at]) * s;
      found.push_back({score, kind, {x - w / 2, y - h / 2, x + w / 2, y + h / 2}});
    }
  }
}

std::vector<Found> detect(Engine& yolox, const Image& image) {
  const double scale = std::min(640.0 / static_cast<double>(image.height), 640.0 / static_cast<double>(image.width));
  const Image small = media::resize(image, static_cast<int64_t>(static_cast<double>(image.height) * scale),
                                    static_cast<int64_t>(static_cast<double>(image.width) * scale));
  Image canvas{640, 640, 3, std::vector<uint8_t>(640 * 640 * 3, 128)};
  const int64_t top = (640 - small.height) / 2, left = (640 - small.width) / 2;
  for (int64_t y = 0; y < small.height; ++y) std::copy_n(small.at(y, 0), small.width * 3, canvas.at(top + y, left));
  const std::vector<Tensor> out = yolox.run({media::pixels(canvas, kImagenet)});
  const float* block = out[0].as<float>();
  std::vector<Found> found;
  for (const int64_t stride : {8, 16, 32}) {
    read_block(block, stride, found);
    block += 85 * (640 / stride) * (640 / stride);
  }
  for (Found& f : found) {
    for (size_t i = 0; i < 4; ++i) f.box[i] = (f.box[i] - static_cast<double>(i % 2 ? top : left)) / scale;
  }
  return suppressed(std::move(found), 0.45);
}

// How many of the expected boxes are found, each by a box of its own, at that overlap.
int64_t matched(const nlohmann::json& expected, std::vector<Box> boxes, double least) {
  int64_t count = 0;
  for (const nlohmann::json& e : expected) {
    const Box box = e.get<Box>();
    const auto found = std::find_if(boxes.begin(), boxes.end(), [&](const Box& b) { return overlap(b, box) >= least; });
    if (found == boxes.end()) continue;
    boxes.erase(found);
    ++count;
  }
  return count;
}

// ImageNet classes that COCO has too, with the number there.
const std::map<int64_t, int64_t> kCoco{
    {156, 16}, {211, 16}, {235, 16}, {250, 16}, {251, 16}, {281, 15}, {285, 15}, {295, 21}, {296, 21}, {340, 22}, {345, 19}, {385, 20},
    {386, 20}, {466, 6},  {511, 2},  {555, 7},  {620, 63}, {651, 68}, {670, 3},  {671, 1},  {675, 7},  {705, 6},  {760, 72}, {761, 65},
    {795, 30}, {805, 32}, {820, 6},  {831, 57}, {850, 77}, {851, 62}, {861, 61}, {895, 4},  {920, 9},  {950, 49}, {965, 48},
};

TEST(Yolox, finds_things_and_people) {
  TENON_NEEDS_SHARED();
  Engine engine("yolox_nano/yolox_nano.onnx");
  int64_t right = 0;
  for (const Labelled& sample : imagenet_samples()) {
    const auto kind = kCoco.find(sample.label);
    if (kind == kCoco.end()) continue;
    const std::vector<Found> found = detect(engine, media::load_image(sample.file));
    right += std::any_of(found.begin(), found.end(), [&](const Found& f) { return f.kind == kind->second; });
  }
  report("yolox_nano", parts(right, static_cast<int64_t>(kCoco.size())) + " pictures right");
  EXPECT_GE(right, answers("yolox_nano").at("right").get<int64_t>() - 1);
  for (const auto& [name, people] : answers("yolox_nano").at("people").items()) {
    std::vector<Box> boxes;
    for (const Found& f : detect(engine, media::load_image(shared("data/faces/" + name + ".jpg")))) {
      if (f.kind == 0) boxes.push_back(f.box);
    }
    EXPECT_EQ(boxes.size(), people.size()) << name;
    EXPECT_EQ(matched(people, boxes, 0.9), static_cast<int64_t>(people.size())) << name;
  }
}

TEST(Ultraface, finds_faces) {
  TENON_NEEDS_SHARED();
  Engine engine("ultraface_rfb320/version-RFB-320.onnx");
  std::string counts;
  for (const auto& [name, faces] : answers("ultraface_rfb320").at("faces").items()) {
    const Image image = media::resize(media::load_image(shared("data/faces/" + name + ".jpg")), 240, 320);
    const std::vector<Tensor> out = engine.run({media::pixels(image, {.unit = 1, .mean = {127}, .std = {128}})});
    std::vector<Found> found;
    for (int64_t i = 0; i < out[0].shape[1]; ++i) {
      const float *score = out[0].as<float>() + 2 * i, *box = out[1].as<float>() + 4 * i;
      if (score[1] > 0.7f) found.push_back({score[1], 0, Box(box, box + 4)});
    }
    std::vector<Box> boxes;
    for (const Found& f : suppressed(std::move(found), 0.5)) boxes.push_back(f.box);
    const auto expected = static_cast<int64_t>(faces.size());
    // In the crowd some faces stand just above the threshold.
    EXPECT_GE(matched(faces, boxes, 0.8), expected > 10 ? expected - 2 : expected) << name;
    EXPECT_LE(static_cast<int64_t>(boxes.size()), expected > 10 ? expected + 2 : expected) << name;
    counts += " " + std::to_string(boxes.size());
  }
  report("ultraface_rfb320", "faces:" + counts);
}

double psnr(const float* a, const float* b, int64_t count) {
  double squares = 0;
  for (int64_t i = 0; i < count; ++i) squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return 10 * std::log10(static_cast<double>(count) / squares);
}

std::string decibels(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f dB", value);
  return text;
}

TEST(SuperResolution, sharpens) {
  TENON_NEEDS_SHARED();
  Engine engine("super_resolution/pytorch_super_resolution.onnx");
  std::string figures;
  size_t at = 0;
  for (const char* name : {"faces/19.jpg", "faces/23.jpg"}) {
    const Image sharp = media::luma(media::centre_crop(media::load_image(shared(std::string("data/") + name)), 672, 672));
    const Image small = media::resize(sharp, 224, 224);
    const OwnedTensor truth = media::pixels(sharp), plain = media::pixels(media::resize(small, 672, 672));
    const Tensor out = engine.run({media::pixels(small)})[0];
    ASSERT_EQ(out.count(), truth.count());
    const double better = psnr(out.as<float>(), truth.as<float>(), truth.count());
    EXPECT_GT(better, psnr(plain.as<float>(), truth.as<float>(), truth.count())) << name;
    EXPECT_NEAR(better, answers("super_resolution").at("psnr")[at++].get<double>(), 0.1) << name;
    figures += decibels(better) + " ";
  }
  report("super_resolution", figures);
}

TEST(LowLight, brightens) {
  TENON_NEEDS_SHARED();
  Engine engine("sci_lowlight/sci_medium_512x512.onnx");
  const std::vector<Labelled> samples = imagenet_samples();
  double better = 0, dark = 0;
  for (size_t i = 0; i < 10; ++i) {
    const Image image = media::resize(media::load_image(samples[10 * i].file), 512, 512);
    const OwnedTensor bright = media::pixels(image);
    OwnedTensor dim = bright.view();
    for (int64_t j = 0; j < dim.count(); ++j) dim.as<float>()[j] /= 4;
    better += psnr(engine.run({dim})[0].as<float>(), bright.as<float>(), bright.count()) / 10;
    dark += psnr(dim.as<float>(), bright.as<float>(), bright.count()) / 10;
  }
  report("sci_lowlight", decibels(better) + ", dark " + decibels(dark));
  EXPECT_NEAR(better, answers("sci_lowlight").at("psnr").get<double>(), 0.1);
  EXPECT_NEAR(dark, answers("sci_lowlight").at("psnr_of_dark").get<double>(), 0.1);
}

}  // namespace
}  // namespace tenon::models
