// Where a model comes from: Model::load and Model::from_memory, for plain files and sealed ones.
#include <chrono>
#include <filesystem>

#include "exec/model.h"
#include "formats/seal/weights.h"
#include "runtime/trust/opening.h"

namespace tenon {
namespace {

// The session's questions, asked of the policies of an open file.
class SealedRights : public Rights {
 public:
  SealedRights(std::shared_ptr<const seal::SealedFile> file, std::shared_ptr<trust::Access> access)
      : file_(std::move(file)), access_(std::move(access)) {
    origin_ = {true, access_->file_id(), file_->principal(), {}, {}};
    for (const seal::Block<32>& signer : file_->signed_by()) origin_.signed_by.push_back(seal::hex(signer));
    for (const seal::SignatureRecord& record : file_->signatures()) origin_.claimed_by.push_back(seal::hex(record.key));
  }

  void require(Right right) override { access_->require(trust::operation_of(right)); }
  bool allows(Right right) const override { return access_->allows(trust::operation_of(right)); }
  void require_run() override { access_->require_run(); }
  bool records_runs() const override { return access_->records_runs(); }
  void record_run(const RunFacts& run) override {
    access_->record_run({.bytes_in = run.bytes_in,
                         .bytes_out = run.bytes_out,
                         .milliseconds = run.milliseconds,
                         .ok = !run.error,
                         .error = std::string(run.error ? name(run.error->code()) : "")});
  }
  const Origin& origin() const override { return origin_; }
  SealedNotes notes() const override {
    SealedNotes out;
    if (file_->policy()) out.model = file_->policy()->model, out.release = file_->policy()->release, out.policy = *file_->policy_text();
    if (file_->metadata()) out.metadata = *file_->metadata();
    out.segments = file_->identity().data_segments();
    out.segments_opened = file_->segments_opened();
    return out;
  }

 private:
  std::shared_ptr<const seal::SealedFile> file_;
  std::shared_ptr<trust::Access> access_;
  Origin origin_;
};

// A view of the file's model, which keeps the file open.
std::shared_ptr<const WeightSource> model_source(std::shared_ptr<const seal::SealedFile> file) {
  struct Holder {
    std::shared_ptr<const seal::SealedFile> file;
    std::shared_ptr<const WeightSource> view;
  };
  const seal::View model = file->model();
  auto holder = std::make_shared<Holder>(Holder{std::move(file), make_view_source(model.data(), static_cast<int64_t>(model.size()))});
  return {holder, holder->view.get()};
}

// `from`: a path, or a container in memory.
template <class From>
OpenedModel open_sealed(const From& from, const Options& options, trust::Host host) {
  trust::Opening opening = trust::opening_of(options.sealed, std::move(host));
  opening.threads = options.threads;
  trust::Opened opened = trust::open(from, opening.open(), opening.host, trust::operation_of(options.sealed.purpose));
  const std::shared_ptr<const seal::SealedFile> file = std::move(opened.file);
  if (static_cast<int64_t>(file->data_size()) > options.limits.bytes)
    throw Error(Code::limit, "the file holds more than " + std::to_string(options.limits.bytes) + " bytes of weights (limit bytes)");
  auto blobs = std::make_shared<Blobs>();
  blobs->source = seal::make_sealed_source(file);
  for (const seal::Blob& b : file->blobs()) blobs->ranges.push_back({static_cast<int64_t>(b.offset), static_cast<int64_t>(b.length)});
  return {model_source(file), "", std::move(blobs), std::make_shared<SealedRights>(file, std::move(opened.access))};
}

OpenedModel open_plain(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return {map_file(path), folder.empty() ? "." : folder, nullptr, nullptr};
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Model Model::load(const std::string& path, const Options& options) {
  return within([&] { return "cannot load " + printable(path); },
                [&] {
                  if (options.progress) options.progress("read");
                  const auto start = std::chrono::steady_clock::now();
                  trust::Host host = trust::host_of(options.sealed);
                  OpenedModel opened = trust::must_be_sealed(path, host) ? open_sealed(path, options, std::move(host)) : open_plain(path);
                  Model m;
                  m.impl_ = tenon::load(std::move(opened), options, milliseconds_since(start));
                  return m;
                });
}

Model Model::from_memory(const void* data, int64_t bytes, const Options& options) {
  return within([] { return std::string("cannot load a model from memory"); },
                [&] {
                  if (options.progress) options.progress("read");
                  const auto start = std::chrono::steady_clock::now();
                  if (bytes < 0) throw Error(Code::bad_usage, "a model of a negative number of bytes");
                  const seal::View view(static_cast<const uint8_t*>(data), static_cast<size_t>(bytes));
                  trust::Host host = trust::host_of(options.sealed);
                  OpenedModel opened = trust::must_be_sealed(view, host) ? open_sealed(view, options, std::move(host))
                                                                         : OpenedModel{make_view_source(data, bytes), "", nullptr, nullptr};
                  Model m;
                  m.impl_ = tenon::load(std::move(opened), options, milliseconds_since(start));
                  return m;
                });
}

}  // namespace tenon
