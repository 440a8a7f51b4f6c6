// What the models that read text from pictures are worth: lines that a person reads on them, and the letters that ONNX Runtime reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "models/shared.h"

namespace tenon::models {
namespace {

using media::Image;

const media::Normalisation kImagenet{.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
const media::Normalisation kHalves{.mean = {0.5f}, .std = {0.5f}};

// A set of 8-connected points: the box they fill, and the sum of their values.
struct Blob {
  int64_t x0, y0, x1, y1, points = 0;
  double sum = 0;
};

class Blobs {
 public:
  Blobs(const float* values, int64_t height, int64_t width, float least)
      : values_(values), height_(height), width_(width), left_(static_cast<size_t>(height * width)) {
    for (size_t i = 0; i < left_.size(); ++i) left_[i] = values[i] > least;
    for (int64_t i = 0; i < height * width; ++i) {
      if (left_[static_cast<size_t>(i)]) found.push_back(flood(i));
    }
  }
  std::vector<Blob> found;

 private:
  Blob flood(int64_t start) {
    Blob blob{start % width_, start / width_, start % width_ + 1, start / width_ + 1};
    std::vector<int64_t> stack{start};
    left_[static_cast<size_t>(start)] = false;
    while (!stack.empty()) {
      const int64_t i = stack.back(), y = i / width_, x = i % width_;
      stack.pop_back();
      blob = {std::min(blob.x0, x), std::min(blob.y0, y), std::max(blob.x1, x + 1), std::max(blob.y1, y + 1), blob.points + 1, blob.sum + values_[i]};
      for (int64_t v = std::max<int64_t>(0, y - 1); v < std::min(height_, y + 2); ++v) {
        for (int64_t u = std::max<int64_t>(0, x - 1); u < std::min(width_, x + 2); ++u) {
          if (!left_[static_cast<size_t>(v * width_ + u)]) continue;
          left_[static_cast<size_t>(v * width_ + u)] = false;
          stack.push_back(v * width_ + u);
        }
      }
    }
    return blob;
  }

  const float* values_;
  int64_t height_, width_;
  std::vector<bool> left_;
};

int64_t ceil_ratio(int64_t a, int64_t b) { return (a + b - 1) / b; }

class TextReader {
 public:
  struct Line {
    Box box;
    std::string text;
  };

  TextReader()
      : detect_("ppocr_v4/ch_PP-OCRv4_det_infer.onnx"),
        turned_("ppocr_v4/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        recognise_("ppocr_v4/ch_PP-OCRv4_rec_infer.onnx"),
        letters_{""} {
    for (std::string& letter : load_lines(shared("models/ppocr_v4/ppocr_keys_v1.txt"))) letters_.push_back(std::move(letter));
    letters_.push_back(" ");
  }

  std::vector<Line> read(const Image& image) {
    std::vector<Line> lines;
    for (const Box& b : boxes(image)) {
      const auto at = [&](size_t i) { return static_cast<int64_t>(b[i]); };
      lines.push_back({b, text(media::crop(image, at(1), at(0), at(3) - at(1), at(2) - at(0)))});
    }
    return lines;
  }

 private:
  std::vector<Box> boxes(const Image& image) {
    const auto h = static_cast<double>(image.height), w = static_cast<double>(image.width);
    const double scale = std::min(1.0, 960 / std::max(h, w));
    const auto multiple = [&](double v) { return std::max<int64_t>(32, 32 * static_cast<int64_t>(std::floor(v * scale / 32 + 0.5))); };
    const int64_t rows = multiple(h), columns = multiple(w);
    const std::vector<Tensor> chance = detect_.run({media::pixels(media::resize(image, rows, columns), kImagenet)});
    EXPECT_EQ(chance[0].shape, (std::vector<int64_t>{1, 1, rows, columns}));
    const double sx = w / static_cast<double>(columns), sy = h / static_cast<double>(rows);
    std::vector<Box> out;
    for (const Blob& b : Blobs(chance[0].as<float>(), rows, columns, 0.3f).found) {
      const int64_t bw = b.x1 - b.x0, bh = b.y1 - b.y0;
      if (std::min(bw, bh) < 3 || b.sum / static_cast<double>(b.points) < 0.6) continue;
      const double grow = 1.5 * static_cast<double>(bw * bh) / static_cast<double>(2 * (bw + bh));
      out.push_back(
          {std::max(0.0, std::floor((static_cast<double>(b.x0) - grow) * sx)), std::max(0.0, std::floor((static_cast<double>(b.y0) - grow) * sy)),
           std::min(w, std::ceil((static_cast<double>(b.x1) + grow) * sx)), std::min(h, std::ceil((static_cast<double>(b.y1) + grow) * sy))});
    }
    return out;
  }

  bool upside_down(const Image& line) {
    const int64_t width = std::min<int64_t>(192, ceil_ratio(48 * line.width, line.height));
    const OwnedTensor part = media::pixels(media::resize(line, 48, width), kHalves);
    OwnedTensor canvas(DType::f32, {1, 3, 48, 192});
    std::fill_n(canvas.as<float>(), canvas.count(), 0.0f);
    for (int64_t row = 0; row < 3 * 48; ++row) std::copy_n(part.as<float>() + row * width, width, canvas.as<float>() + row * 192);
    return turned_.run({canvas})[0].as<float>()[1] > 0.9f;
  }

  std::string text(Image line) {
    if (2 * line.height >= 3 * line.width) line = media::rotate_left(line);
    if (upside_down(line)) line = media::rotate_half(line);
    const int64_t width = std::max<int64_t>(48, ceil_ratio(48 * line.width, line.height));
    return ctc(best_rows(recognise_.run({media::pixels(media::resize(line, 48, width), kHalves)})[0]), letters_);
  }

  Engine detect_, turned_, recognise_;
  std::vector<std::string> letters_;
};

// Lines that a person reads on three of the pictures, spaces aside.
const std::map<std::string, std::vector<std::string>> kPrinted{
    {"11.jpg",
     {"纯臻营养护发素", "产品信息/参数", "(45元/每公斤，100公斤起订）", "每瓶22元，1000瓶起订）", "【品牌】：代加工方式/OEMODM",
      "【品名】：纯臻营养护发素", "【产品编号】：YM-X-3011", "【净含量】：220ml", "【适用人群】：适合所有肤质",
      "【主要成分】：鲸蜡硬脂醇、燕麦β-葡聚", "糖、椰油酰胺丙基甜菜碱、泛醌", "（成品包材）", "【主要功能】：可紧致头发磷层，从而达到",
      "即时持久改善头发光泽的效果，给干燥的头", "发足够的滋养"}},
    {"00018069.jpg", {"代号",         "项目",       "结果",     "参考值",   "单位",   "ALT",        "谷丙转氨酶", "25.6",    "0--40",  "U/L",
                      "TBIL",         "总胆红素",   "11.2",     "<20",      "umol/L", "DBIL",       "直接胆红素", "3.3",     "0--7",   "umol/L",
                      "IBIL",         "间接胆红素", "7.9",      "1.5--15",  "umol/L", "TP",         "总蛋白",     "58.9↓",   "60--80", "g/L",
                      "ALB",          "白蛋白",     "35.1",     "33--55",   "g/L",    "GLO",        "球蛋白",     "23.8",    "20--30", "g/L",
                      "A/G",          "白球比",     "1.5",      "1.5--2.5", "ALP",    "碱性磷酸酶", "93",         "15--112", "IU/L",   "GGT",
                      "谷氨酰转肽酶", "14.3",       "<50",      "U/L",      "AST",    "谷草转氨酶", "16.3",       "8--40",   "U/L",    "LDH",
                      "乳酸脱氢酶",   "167",        "114--240", "U/L",      "ADA",    "腺甘脱氨酶", "12.6",       "4--24",   "U/L"}},
    {"00009282.jpg",
     {"Meters/bonwe", "洗涤说明", "最高洗涤温度30℃", "常规程序", "不可漂白", "悬挂晾干", "熨斗底板最高温度110℃", "常规干洗", "注意事项：",
      "分开洗涤，不宜长时间浸泡，有", "钮扣或拉链的服饰先将钮扣或拉链", "扣好，熨烫时采用仅蒸汽熨烫。"}},
};

int64_t lines_right(const std::vector<std::string>& printed, const std::vector<TextReader::Line>& read) {
  std::vector<std::string> texts;
  for (const TextReader::Line& line : read) {
    texts.push_back(line.text);
    std::erase(texts.back(), ' ');
  }
  int64_t right = 0;
  for (const std::string& line : printed) {
    const auto found = std::find(texts.begin(), texts.end(), line);
    if (found == texts.end()) continue;
    texts.erase(found);
    ++right;
  }
  return right;
}

// Letters of the text expected in a box that differ from what is read in the box nearest to it; all where no box overlaps it by half.
int64_t letters_wrong(const nlohmann::json& expected, const std::vector<TextReader::Line>& read) {
  const Box box = expected[0].get<Box>();
  const std::u32string text = code_points(expected[1].get<std::string>());
  const TextReader::Line* nearest = nullptr;
  for (const TextReader::Line& line : read) {
    if (overlap(line.box, box) >= (nearest ? overlap(nearest->box, box) : 0.5)) nearest = &line;
  }
  return nearest ? distance(text, code_points(nearest->text)) : static_cast<int64_t>(text.size());
}

TEST(Ppocr, reads_pictures) {
  TENON_NEEDS_SHARED();
  TextReader reader;
  int64_t lines = 0, right = 0, letters = 0, wrong = 0;
  for (const auto& [name, expected] : answers("ppocr_v4").at("texts").items()) {
    const std::vector<TextReader::Line> read = reader.read(media::load_image(shared("data/ocr/" + name)));
    for (const nlohmann::json& e : expected) {
      letters += static_cast<int64_t>(code_points(e[1].get<std::string>()).size());
      wrong += letters_wrong(e, read);
    }
    if (const auto printed = kPrinted.find(name); printed != kPrinted.end()) {
      lines += static_cast<int64_t>(printed->second.size());
      right += lines_right(printed->second, read);
    }
  }
  report("ppocr_v4", std::to_string(right) + " of " + std::to_string(lines) + " lines right; " + std::to_string(wrong) + " of " +
                         std::to_string(letters) + " letters differ from ONNX Runtime's");
  EXPECT_EQ(lines, answers("ppocr_v4").at("lines").get<int64_t>());
  EXPECT_GE(right, answers("ppocr_v4").at("lines_right").get<int64_t>() - 2);
  EXPECT_LE(wrong, letters * 3 / 100);
}

TEST(Ddddocr, reads_lines) {
  TENON_NEEDS_SHARED();
  Engine engine("ddddocr_crnn_int8/common_old.onnx");
  const std::vector<std::string> letters = load_json(shared("models/ddddocr_crnn_int8/common_old.json"));
  std::map<std::string, Image> images;
  int64_t wrong = 0, total = 0;
  for (const nlohmann::json& crop : answers("ddddocr_crnn_int8").at("crops")) {
    const std::string name = crop[0];
    if (!images.contains(name)) images[name] = media::load_image(shared("data/ocr/" + name));
    const std::vector<int64_t> b = crop[1];
    const Image line = media::luma(media::crop(images[name], b[1], b[0], b[3] - b[1], b[2] - b[0]));
    const Image input = media::resize(line, 64, std::max<int64_t>(64, 64 * line.width / line.height));
    const std::u32string truth = plain_letters(crop[2]);
    wrong += distance(plain_letters(ctc(best_rows(engine.run({media::pixels(input, kHalves)})[0]), letters)), truth);
    total += static_cast<int64_t>(truth.size());
  }
  report("ddddocr_crnn_int8", std::to_string(wrong) + " of " + std::to_string(total) + " letters wrong");
  EXPECT_EQ(total, answers("ddddocr_crnn_int8").at("letters").get<int64_t>());
  EXPECT_LE(wrong, answers("ddddocr_crnn_int8").at("wrong").get<int64_t>() + 5);
}

}  // namespace
}  // namespace tenon::models
