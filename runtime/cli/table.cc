#include "cli/table.h"

#include <algorithm>
#include <cstdio>

namespace tenon::cli {

Table::Table(std::vector<std::string> columns) : columns_(std::move(columns)) {
  for (std::string& c : columns_) {
    left_.push_back(!c.empty() && c[0] == '<');
    if (left_.back()) c.erase(0, 1);
  }
}

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::print() const {
  std::vector<size_t> width;
  for (const std::string& c : columns_) width.push_back(c.size());
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(width[i] - cells[i].size(), ' ');
      out += left_[i] ? cells[i] + pad : pad + cells[i];
      out += "  ";
    }
    out.erase(out.find_last_not_of(' ') + 1);
    std::printf("%s\n", out.c_str());
  };
  line(columns_);
  for (const auto& row : rows_) line(row);
}

std::string number_text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string bytes_text(double b) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  for (; b >= 1024 && unit < 4; b /= 1024) ++unit;
  return number_text(unit ? "%.1f " : "%.0f ", b) + kUnits[unit];
}

std::string count_text(double n) {
  if (n < 100000) return number_text("%.0f", n);
  if (n < 1e9) return number_text("%.2f M", n / 1e6);
  return number_text("%.2f G", n / 1e9);
}

std::string time_text(double ns) {
  if (ns < 1e3) return number_text("%.0f ns", ns);
  if (ns < 1e6) return number_text("%.1f us", ns / 1e3);
  if (ns < 1e9) return number_text("%.2f ms", ns / 1e6);
  return number_text("%.2f s", ns / 1e9);
}

}  // namespace tenon::cli
