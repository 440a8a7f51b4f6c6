// Tables that people read: columns as wide as their widest cell, numbers to the right.
#pragma once

#include <string>
#include <vector>

namespace tenon::cli {

class Table {
 public:
  // A name that begins with '<' makes a column of text.
  explicit Table(std::vector<std::string> columns);
  void add(std::vector<std::string> cells);
  void print() const;

 private:
  std::vector<std::string> columns_;
  std::vector<bool> left_;
  std::vector<std::vector<std::string>> rows_;
};

// "23.4 KiB", "1.2 M", "41.7 us".
std::string bytes_text(double bytes);
std::string count_text(double count);
std::string time_text(double nanoseconds);
std::string number_text(const char* format, double value);

}  // namespace tenon::cli
