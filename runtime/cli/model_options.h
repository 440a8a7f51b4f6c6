// Options of every command that loads a model or feeds one.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/seal_options.h"
#include "tenon.h"

namespace tenon::cli {

struct ModelOptions {
  std::string path;
  int threads = 0;
  std::string isa, precision = "model";
  bool reference = false, no_pin = false, follow_symlinks = false;
  std::vector<std::string> dims;
  int64_t memory_limit = 0;
  SealOptions seal;

  void add(CLI::App& app);
  Options options() const;  // but for those of sealed models
  // Loads with progress on a terminal. Says of a sealed model that it counts as unsigned, unless any signer will do.
  Model load(Right purpose = Right::run) const;
};

struct InputOptions {
  std::vector<std::string> files;   // NAME=FILE: .npy, .pb, .wav
  std::string archive;              // .npz
  std::vector<std::string> images;  // NAME=FILE
  std::string mean, std, layout, resize;
  float unit = 255;
  int64_t random = -1;
  bool grey = false;

  void add(CLI::App& app);
  bool given() const { return !files.empty() || !archive.empty() || !images.empty() || random >= 0; }
  // A tensor for every input of the model. Symbolic sizes come from `options.dims`, else from what files say, else they are 1.
  // Throws Error(bad_usage) for an input without a source.
  std::map<std::string, OwnedTensor> tensors(const Model& model, const std::map<std::string, int64_t>& dims) const;

 private:
  OwnedTensor image(const std::string& path) const;
};

// "a=b" as a pair; Error(bad_usage) naming the option otherwise.
std::pair<std::string, std::string> pair_of(const std::string& text, const char* option);
std::map<std::string, Tensor> views(const std::map<std::string, OwnedTensor>& tensors);

// Uniform in [0, 1) from a 64-bit state: splitmix64.
double uniform(uint64_t& state);
// Fills by type: floats in [-1, 1), integers small and not negative.
void fill_random(const Tensor& tensor, uint64_t seed);

}  // namespace tenon::cli
