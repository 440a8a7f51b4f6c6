// tenon seal, unseal, slots, sign, verify: making and changing sealed files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "cli/command.h"
#include "cli/seal_options.h"
#include "cli/usage.h"
#include "formats/onnx/split.h"
#include "formats/seal/save.h"

namespace tenon::cli {
namespace {

using namespace seal;
namespace fs = std::filesystem;

// ---- A folder of sections and blobs: model, policy.json, metadata.json, blobs/0, blobs/1, ... ----

File open_plain(const std::string& path) {
  File file(real_system(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) fail_io("opening " + printable(path));
  return file;
}

WipedBytes read_file(const std::string& path) {
  const File file = open_plain(path);
  struct stat status;
  if (fstat(file.fd(), &status) != 0) fail_io("looking at " + printable(path));
  if (static_cast<uint64_t>(status.st_size) > kMostManifest) throw Error(Code::seal_limit, printable(path) + " is larger than 2^30 bytes");
  WipedBytes out(static_cast<size_t>(status.st_size));
  read_all(file, out, 0, printable(path));
  return out;
}

std::string blob_path(const std::string& folder, size_t i) { return folder + "/blobs/" + std::to_string(i); }

// What an option names, else what lies in the folder.
std::optional<std::string> section_text(const std::string& option, const std::string& folder, const char* name, size_t most) {
  if (!option.empty()) return read_text(option, most);
  const std::string path = folder + "/" + name;
  return !folder.empty() && fs::exists(path) ? std::optional(read_text(path, most)) : std::nullopt;
}

void write_file(const std::string& path, View bytes) {
  const File file(real_system(), ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) fail_io("creating " + printable(path));
  write_all(file, bytes, 0, printable(path));
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && !(errno == EEXIST && fs::is_directory(path) && fs::is_empty(path)))
    fail_io("making the folder " + printable(path));
}

// ---- seal ----

struct Seal {
  std::string model, raw, output, policy, metadata;
  std::vector<std::string> sign;
  int segment_log2 = kDefaultSegmentLog2;
  bool shared_key_files = false, follow_symlinks = false;
  NewSlotOptions slots;
};

// What is sealed, and the memory that it views.
struct Sealing {
  WipedBytes model;
  onnx::SplitModel split;
  File blob;  // of a folder
  size_t which = SIZE_MAX;
  SealInput input{};
};

void read_folder(const std::string& raw, Sealing& s) {
  s.model = read_file(raw + "/model");
  s.input.model = s.model;
  for (size_t i = 0; fs::exists(blob_path(raw, i)); ++i) s.input.blobs.push_back(fs::file_size(blob_path(raw, i)));
  s.input.read = [&s, raw](size_t blob, uint64_t offset, std::span<uint8_t> destination) {
    if (s.which != blob) s.blob = open_plain(blob_path(raw, blob));
    s.which = blob;
    read_all(s.blob, destination, offset, blob_path(raw, blob));
  };
}

void read_model(const std::string& path, bool follow_symlinks, Sealing& s) {
  if (is_sealed(path)) throw Error(Code::bad_usage, printable(path) + " is sealed already; unseal it first, or change its slots with slots add");
  const std::string folder = fs::path(path).parent_path().string();
  s.split = within([&] { return "cannot read " + printable(path); },
                   [&] { return onnx::split(map_file(path), folder.empty() ? "." : folder, {.follow_symlinks = follow_symlinks}); });
  s.input.model = ascii(s.split.model);
  for (const onnx::SplitBlob& b : s.split.blobs) s.input.blobs.push_back(static_cast<uint64_t>(b.bytes));
  s.input.read = [&s](size_t blob, uint64_t offset, std::span<uint8_t> destination) {
    s.split.blobs[blob].read(static_cast<int64_t>(offset), static_cast<int64_t>(destination.size()), destination.data());
  };
}

std::vector<Secret> signing_keys(const std::vector<std::string>& files, KeyFileOptions options) {
  std::vector<Secret> out;
  for (const std::string& f : files) out.push_back(signing_key_from_file(f, options));
  return out;
}

int run_seal(const Seal& o) {
  if (o.model.empty() == o.raw.empty()) throw Error(Code::bad_usage, "seal takes a model, or --raw with a folder");
  const KeyFileOptions files{.shared_file = o.shared_key_files};
  Sealing s;
  if (o.raw.empty()) read_model(o.model, o.follow_symlinks, s);
  else read_folder(o.raw, s);
  s.input.policy = section_text(o.policy, o.raw, "policy.json", kMostPolicy);
  s.input.metadata = section_text(o.metadata, o.raw, "metadata.json", kMostMetadata);
  seal::SealOptions options{.slots = o.slots.slots(files), .signers = signing_keys(o.sign, files), .segment_log2 = o.segment_log2};
  const Block<32> id = seal::seal(o.output, s.input, options);
  std::printf("%s  file id %s, %zu blobs, %zu key slots, %zu signatures\n", printable(o.output).c_str(), hex(id).c_str(), s.input.blobs.size(),
              options.slots.size(), options.signers.size());
  return kGood;
}

// ---- unseal ----

struct Unseal {
  std::string file, raw, output;
  SealOptions options;
};

// Gives the bytes of a blob to `sink`, piece by piece.
void each_piece(const SealedFile& file, size_t i, const std::function<void(View)>& sink) {
  const Blob blob = file.blobs()[i];
  WipedBytes piece(std::min<uint64_t>(blob.length, uint64_t{16} << 20));
  for (uint64_t done = 0; done < blob.length; done += piece.size()) {
    if (blob.length - done < piece.size()) piece.resize(blob.length - done);
    file.read(blob.offset + done, piece);
    sink(piece);
  }
}

void write_folder(const SealedFile& file, const std::string& raw) {
  make_folder(raw);
  write_file(raw + "/model", file.model());
  if (file.policy_text()) write_file(raw + "/policy.json", ascii(*file.policy_text()));
  if (file.metadata_text()) write_file(raw + "/metadata.json", ascii(*file.metadata_text()));
  make_folder(raw + "/blobs");
  for (size_t i = 0; i < file.blobs().size(); ++i) {
    const std::string path = blob_path(raw, i);
    const File out(real_system(), ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!out) fail_io("creating " + printable(path));
    uint64_t at = 0;
    each_piece(file, i, [&](View piece) {
      write_all(out, piece, at, printable(path));
      at += piece.size();
    });
  }
  std::printf("%s  model and %zu blobs in the clear\n", printable(raw).c_str(), file.blobs().size());
}

// The ONNX file again; what came from a file of external data goes into one beside it.
void write_model(const SealedFile& file, const std::string& output) {
  std::vector<int64_t> lengths;
  for (const Blob& b : file.blobs()) lengths.push_back(static_cast<int64_t>(b.length));
  const std::string data = output + ".data";
  const onnx::JoinedModel joined = onnx::join(text(file.model()), lengths, fs::path(data).filename().string());
  if (!joined.data.empty()) {
    Save save(real_system(), data);
    for (const onnx::JoinedModel::Data& d : joined.data) {
      auto at = static_cast<uint64_t>(d.offset);
      each_piece(file, d.blob, [&](View piece) {
        save.write(piece, at, printable(data));
        at += piece.size();
      });
    }
    save.commit();
  }
  Save save(real_system(), output);
  uint64_t at = 0;
  const auto write = [&](View piece) {
    save.write(piece, at, printable(output));
    at += piece.size();
  };
  size_t done = 0;
  for (const onnx::JoinedModel::Hole& h : joined.holes) {
    write(ascii(std::string_view(joined.text).substr(done, h.position - done)));
    each_piece(file, h.blob, write);
    done = h.position;
  }
  write(ascii(std::string_view(joined.text).substr(done)));
  save.commit();
  std::printf("%s  in the clear, %llu bytes%s\n", printable(output).c_str(), static_cast<unsigned long long>(at),
              joined.data.empty() ? "" : (", and its external data in " + printable(data)).c_str());
}

int run_unseal(const Unseal& o) {
  if (o.output.empty() == o.raw.empty()) throw Error(Code::bad_usage, "unseal takes -o FILE, or --raw with a new folder");
  const trust::Opening given = o.options.given();
  const trust::Opened opened = trust::open(o.file, given.open(), given.host, trust::Operation::export_);
  opened.access->require(trust::Operation::export_);
  if (o.raw.empty()) write_model(*opened.file, o.output);
  else write_folder(*opened.file, o.raw);
  return kGood;
}

// ---- slots ----

int list_slots(const std::string& path) {
  const Header header = read_header(path, {.most_log_n = kMostLogNByOption});
  std::printf("%s  file id %s\n", printable(path).c_str(), hex(header.identity.file_id()).c_str());
  for (const Slot& slot : header.slots) {
    std::string detail;
    if (slot.kind == SlotKind::passphrase) detail = "  scrypt 2^" + std::to_string(slot.log_n) + " KiB";
    if (slot.kind == SlotKind::external) detail = "  " + slot.provider + "/" + slot.key_id;
    std::printf("  %s  %-10s  \"%s\"%s\n", hex(slot.id).c_str(), std::string(name(slot.kind)).c_str(), slot.label.c_str(), detail.c_str());
  }
  for (const SignatureRecord& s : header.signatures) std::printf("  signed by %s\n", hex(s.key).c_str());
  return kGood;
}

int add_slots(const std::string& path, const SealOptions& options, const NewSlotOptions& slots) {
  const trust::Opening given = options.given();
  SlotChange change;
  change.add = slots.slots(options.files());
  if (change.add.empty()) throw Error(Code::bad_usage, "slots add: no new key is given");
  trust::change(path, given.open(), given.host, change);
  return list_slots(path);
}

int remove_slots(const std::string& path, const SealOptions& options, const std::vector<std::string>& ids) {
  const trust::Opening given = options.given();
  SlotChange change;
  for (const std::string& id : ids) {
    if (!from_hex(id, change.remove.emplace_back(), true))
      throw Error(Code::bad_usage, "a slot id is 32 hex digits, as slots list shows it, not \"" + printable(id) + "\"");
  }
  trust::change(path, given.open(), given.host, change);
  list_slots(path);
  std::printf("Who had a removed slot keeps access to the copies he has, and may have kept the file key. To cut him off, seal a new release.\n");
  return kGood;
}

// ---- sign, verify ----

struct Sign {
  std::string file, detach;
  std::vector<std::string> sign, records;
  SealOptions options;
};

int run_sign(const Sign& o) {
  if (!o.detach.empty()) {  // a signer without the file key: the core is public
    if (o.sign.size() != 1 || !o.records.empty()) throw Error(Code::bad_usage, "sign --detach takes one --sign");
    const Header header = read_header(o.file, {.most_log_n = kMostLogNByOption});
    const SignatureRecord record = sign_core(header.core(), signing_key_from_file(o.sign[0], o.options.files()));
    Bytes bytes(record.key.begin(), record.key.end());
    bytes.insert(bytes.end(), record.signature.begin(), record.signature.end());
    Save save(real_system(), o.detach);
    save.write(bytes, 0, "signature");
    save.commit();
    std::printf("%s  a signature by %s, to be added by a holder of a key\n", printable(o.detach).c_str(), hex(record.key).c_str());
    return kGood;
  }
  if (o.sign.empty() && o.records.empty()) throw Error(Code::bad_usage, "sign: neither --sign nor --add is given");
  const trust::Opening given = o.options.given();
  SlotChange change;
  change.sign = signing_keys(o.sign, o.options.files());
  for (const std::string& path : o.records) {
    const std::string bytes = read_text(path, kSignature);
    if (bytes.size() != kSignature) throw Error(Code::seal_format, printable(path) + " is not a signature record of 96 bytes");
    SignatureRecord& record = change.records.emplace_back();
    std::copy_n(bytes.begin(), 32, record.key.begin());
    std::copy_n(bytes.begin() + 32, 64, record.signature.begin());
  }
  trust::change(o.file, given.open(), given.host, change);
  return list_slots(o.file);
}

int run_verify(const std::string& path, const SealOptions& options) {
  const trust::Opening given = options.given();
  const std::vector<Block<32>> signers = verify(path, given.open());
  std::printf("%s  intact, %s\n", printable(path).c_str(),
              options.has_keys() ? "every segment opened" : "without a key: no damage, nothing authenticated but signatures");
  for (const Block<32>& signer : signers) std::printf("  signed by %s\n", hex(signer).c_str());
  if (signers.empty()) std::printf("  counts as unsigned: %s\n", why_unsigned(read_header(path, given.open()).signatures.size()).c_str());
  return kGood;
}

}  // namespace

std::function<int()> add_seal(CLI::App& app) {
  auto o = std::make_shared<Seal>();
  CLI::App* sub = app.add_subcommand("seal", "Makes a sealed file: encrypted, signed, with a policy.");
  sub->add_option("model", o->model, "an ONNX model; its external data, if any, beside it");
  sub->add_flag("--follow-symlinks", o->follow_symlinks, "external data files may be symbolic links");
  sub->add_option("--raw", o->raw, "instead of a model: a folder with model, policy.json, metadata.json, blobs/0, blobs/1, ...")
      ->check(CLI::ExistingDirectory);
  sub->add_option("-o,--output", o->output, "the sealed file")->required();
  sub->add_option("--policy", o->policy, "a policy, JSON");
  sub->add_option("--metadata", o->metadata, "an object of strings, JSON");
  sub->add_option("--sign", o->sign, "a signing key: PEM or 64 hex digits in a file (may repeat)")->allow_extra_args(false);
  sub->add_option("--segment-log2", o->segment_log2, "segments of 2^N bytes")
      ->check(whole(kLeastSegmentLog2, kMostSegmentLog2))
      ->capture_default_str();
  sub->add_flag("--shared-key-files", o->shared_key_files, "allow key files that group or others can read");
  o->slots.add(*sub, "--");
  return [o] { return run_seal(*o); };
}

std::function<int()> add_unseal(CLI::App& app) {
  auto o = std::make_shared<Unseal>();
  CLI::App* sub = app.add_subcommand("unseal", "Writes what a sealed file holds in the clear; needs the right to export.");
  sub->add_option("file", o->file, "the sealed file")->required();
  sub->add_option("-o,--output", o->output, "the ONNX file; external data go to FILE.data beside it");
  sub->add_option("--raw", o->raw, "instead: a new folder for model, policy.json, metadata.json, blobs/0, blobs/1, ...");
  o->options.add(*sub);
  return [o] { return run_unseal(*o); };
}

std::function<int()> add_slots_command(CLI::App& app) {
  struct State {
    std::string file;
    SealOptions options;
    NewSlotOptions slots;
    std::vector<std::string> ids;
  };
  auto o = std::make_shared<State>();
  CLI::App* sub = app.add_subcommand("slots", "Shows and changes who can open a sealed file.");
  sub->require_subcommand(1);
  CLI::App* list = sub->add_subcommand("list", "Shows the key slots and signatures; needs no key.");
  CLI::App* add = sub->add_subcommand("add", "Adds key slots; needs the right to share.");
  CLI::App* remove = sub->add_subcommand("remove", "Removes key slots; needs the right to share.");
  for (CLI::App* each : {list, add, remove}) each->add_option("file", o->file, "the sealed file")->required();
  for (CLI::App* each : {add, remove}) o->options.add(*each);
  o->slots.add(*add, "--new-");
  remove->add_option("ids", o->ids, "slot ids, as list shows them")->required();
  return [=] {
    return list->parsed()  ? list_slots(o->file)
           : add->parsed() ? add_slots(o->file, o->options, o->slots)
                           : remove_slots(o->file, o->options, o->ids);
  };
}

std::function<int()> add_sign(CLI::App& app) {
  auto o = std::make_shared<Sign>();
  CLI::App* sub = app.add_subcommand("sign", "Adds signatures to a sealed file, or signs it apart without any key to it.");
  sub->add_option("file", o->file, "the sealed file")->required();
  sub->add_option("--sign", o->sign, "a signing key: PEM or 64 hex digits in a file (may repeat)")->allow_extra_args(false);
  sub->add_option("--detach", o->detach, "write the signature record here and leave the sealed file alone");
  sub->add_option("--add", o->records, "a signature record made by --detach (may repeat)")->allow_extra_args(false);
  o->options.add(*sub);
  return [o] { return run_sign(*o); };
}

std::function<int()> add_verify(CLI::App& app) {
  struct State {
    std::string file;
    SealOptions options;
  };
  auto o = std::make_shared<State>();
  CLI::App* sub = app.add_subcommand("verify", "Reads a whole sealed file: without a key for damage and signatures, with a key every segment.");
  sub->add_option("file", o->file, "the sealed file")->required();
  o->options.add(*sub);
  return [o] { return run_verify(o->file, o->options); };
}

}  // namespace tenon::cli
