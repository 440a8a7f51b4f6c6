// Attacks on the bytes of a container. The identifier in a test's name (E01, E33 ...) is a case of
// docs/sealed_format.md, section 14.
#include <set>

#include "formats/seal_disk.h"

namespace tenon::seal {
namespace {

Bytes small() {
  return made_bytes({.blobs = {100},
                     .model = "m",
                     .policy = R"({"v":1,"model":"a","release":1})",
                     .metadata = {},
                     .segment_log2 = 12,
                     .signers = {},
                     .system = nullptr});
}

// docs/sealed_format.md, case E01: every bit, every segment opened; three times.
TEST(SealAttack, E01_no_flipped_bit_is_accepted) {
  const Bytes original = small();
  ASSERT_EQ(outcome_of(original), "ok");
  const size_t header = header_bytes(original);
  Disk disk;
  disk.put("m.tenon", original);
  const KeyRing keys = raw_ring(0);
  const OpenOptions options{.keys = &keys, .threads = 1, .system = &disk};
  int accepted = 0, checked = 0;
  const auto refused = [&](const Bytes& file) {
    if (file == original) return;
    ++checked;
    disk.get("m.tenon") = file;
    accepted += open_and_read(Disk::path("m.tenon"), options) == "ok";
  };
  for (size_t bit = 0; bit < original.size() * 8; ++bit) {
    Bytes file = original;
    file[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    refused(file);
    if (header_bytes(file) != header) continue;  // there is no digest where this header ends
    fix_digest(file);
    if (bit / 8 < header) refused(file);
    const FileIdentity identity = identity_of(file), old = identity_of(original);
    if (identity.segment_log2() != old.segment_log2() || identity.data_plain() != old.data_plain() ||
        identity.manifest_plain() != old.manifest_plain())
      continue;
    fix_roots(file);
    fix_digest(file);
    if (bit / 8 >= header) refused(file);
  }
  EXPECT_EQ(accepted, 0);
  EXPECT_GT(checked, static_cast<int>(original.size()) * 8);
}

struct Field {
  const char* name;
  size_t offset, size;
};

uint64_t load(const Bytes& file, const Field& field) {
  uint64_t out = 0;
  for (size_t i = 0; i < field.size; ++i) out |= static_cast<uint64_t>(file[field.offset + i]) << (8 * i);
  return out;
}

// docs/sealed_format.md, case E02: header and slot fields at their extremes, plain, fixed up and
// keyed.
TEST(SealAttack, E02_fields_at_their_extremes_are_refused_by_name_or_legal) {
  const Bytes original =
      made_bytes({.blobs = {100}, .model = "m", .policy = {}, .metadata = {}, .segment_log2 = 12, .signers = {1}, .system = nullptr});
  const Secret file_key = file_key_of(original);
  const Field fields[] = {{"magic", 0, 8},
                          {"version", 8, 2},
                          {"suite", 10, 1},
                          {"seg_log2", 11, 1},
                          {"field at 12", 12, 4},
                          {"file id", 16, 8},
                          {"data_plain", 48, 8},
                          {"manifest_plain", 56, 8},
                          {"root", 64, 8},
                          {"root", 96, 8},
                          {"H", 128, 4},
                          {"slot_count", 132, 2},
                          {"signature_count", 134, 2},
                          {"field at 136", 136, 8},
                          {"kind", 144, 2},
                          {"params", 146, 2},
                          {"field at 4", 148, 4},
                          {"slot id", 152, 8},
                          {"label", 168, 8},
                          {"check", 200, 8},
                          {"wrapped", 232, 8},
                          {"signature", 280, 8},
                          {"signature", 312, 8}};
  for (const Field& field : fields) {
    const uint64_t max = field.size == 8 ? UINT64_MAX : (uint64_t{1} << (8 * field.size)) - 1, was = load(original, field);
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, max, max - 1, was + 1, was - 1}) {
      for (int fix = 0; fix < 3; ++fix) {
        Bytes file = original;
        for (size_t i = 0; i < field.size; ++i) file[field.offset + i] = static_cast<uint8_t>(value >> (8 * i));
        if (file == original) continue;
        SCOPED_TRACE(std::string(field.name) + " = " + std::to_string(value) + ", fix " + std::to_string(fix));
        const bool same_header = header_bytes(file) == header_bytes(original);
        if (fix && same_header) fix_digest(file);
        if (fix == 2 && same_header) fix_mac(file, file_key);
        Disk disk;
        disk.put("m.tenon", file);
        const KeyRing keys = raw_ring(0);
        const std::string said = message([&] {
          const auto opened = SealedFile::open(Disk::path("m.tenon"), {.keys = &keys, .system = &disk});
          Bytes all(opened->data_size());
          opened->read(0, all);
        });
        // A key holder may write any signature, also one more of zeros; without signers nobody looks at it.
        const std::string_view name = field.name;
        const bool legal = fix == 2 && (name == "signature" || (name == "signature_count" && value == 2));
        EXPECT_EQ(said.empty(), legal) << said;
        const bool has_rule = name != "file id" && name != "root" && name != "slot id" && name != "check" && name != "wrapped" && name != "signature";
        if (value == max && has_rule && (fix == 2 || field.offset < 144)) {
          EXPECT_NE(said.find(name == "magic" ? "does not start as a sealed file" : field.name), std::string::npos) << said;
        }
      }
    }
  }
}

TEST(SealAttack, E03_moved_segments) {
  const Made made{.blobs = {4 * 4096}, .signers = {1}};
  const Bytes original = made_bytes(made);
  const std::vector<Block<32>> signer = {ed25519_public(secret(1))};
  const size_t start = header_bytes(original) + Floe::kHeader, size = 4096 + 32;
  const auto segment = [&](Bytes& file, size_t i) { return std::span(file).subspan(start + i * size, size); };
  const std::vector<std::vector<size_t>> orders = {{1, 0, 2, 3}, {0, 0, 2, 3}, {1, 2, 3, 0}, {3, 2, 1, 0}};
  for (const auto& order : orders) {
    Bytes file = original, from = original;
    for (size_t i = 0; i < 4; ++i) std::ranges::copy(segment(from, order[i]), segment(file, i).begin());
    EXPECT_EQ(outcome_of(file), "kSealAuth");
    EXPECT_EQ(outcome_of(file, signer), "kSealDamaged");
    fix_roots(file);
    fix_digest(file);
    EXPECT_EQ(outcome_of(file), "kSealAuth");
    EXPECT_EQ(outcome_of(file, signer), "kSealBadSignature");
  }
}

TEST(SealAttack, E04_E05_cut_and_grown_files) {
  const Bytes original = made_bytes({.blobs = {9000}});
  const auto cut = [&](size_t n) { return outcome_of(Bytes(original.begin(), original.begin() + static_cast<ptrdiff_t>(n))); };
  for (size_t edge = 0; edge < original.size(); edge += 4096) {
    for (const size_t n : {edge - 1, edge, edge + 1}) {
      if (n < original.size()) { EXPECT_EQ(cut(n), n < 4096 ? "kNotSealed" : "kSealTruncated") << n; }
    }
  }
  EXPECT_EQ(cut(original.size() - 1), "kSealTruncated");
  EXPECT_EQ(cut(original.size() - 200), "kSealTruncated");
  for (const size_t n : {size_t{1}, size_t{4128}, original.size()}) {
    Bytes file = original;
    file.insert(file.end(), original.begin(), original.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_EQ(outcome_of(file), "kSealTrailing") << n;
  }
}

// A well-formed container whose parts a test then changes.
struct Plain {
  Sections sections;
  Bytes data;

  explicit Plain(size_t n = 100) : data(n, 7) { sections.list = {{1, Bytes(32 * segments(n, 12))}, {2, lengths_section({n})}, {3, {'m'}}}; }
  Forgery forgery() const { return {.data = data, .manifest = sections.build(), .digests_at = sections.first()}; }
};

TEST(SealAttack, E06_marks_and_last_segments) {
  Forgery base = Plain(2 * 4096).forgery();
  const Bytes original = base.build();
  ASSERT_EQ(outcome_of(original), "ok");
  const size_t start = header_bytes(original) + Floe::kHeader;
  for (const size_t mark : {start, start + 4128}) {
    for (const uint32_t value : {0xFFFFFFFFu, 0u, 4128u, 32u << 24, 0xFFFFFFFEu, 33u << 24}) {
      Bytes file = original;
      store_big<uint32_t>(file.data() + mark, value);
      if (file != original) { EXPECT_EQ(outcome_of(file), "kSealAuth"); }
    }
  }
  base.last_of = [](uint64_t, bool) { return true; };
  EXPECT_EQ(outcome_of(base.build()), "kSealAuth") << "an inner segment encrypted as last";
  base.last_of = [](uint64_t, bool) { return false; };
  EXPECT_EQ(outcome_of(base.build()), "kSealAuth") << "the last segment encrypted as inner";
}

TEST(SealAttack, E07_E08_parts_of_two_files) {
  const Made made{.blobs = {5000}};
  const Bytes a = made_bytes(made), b = made_bytes(made);
  ASSERT_EQ(a.size(), b.size());
  const size_t header = header_bytes(a), manifest = header + floe_length(5000, 12);
  const auto mixed = [&](size_t from, size_t to) {
    Bytes file = a;
    std::copy(b.begin() + static_cast<ptrdiff_t>(from), b.begin() + static_cast<ptrdiff_t>(to), file.begin() + static_cast<ptrdiff_t>(from));
    return file;
  };
  for (const auto& [from, to] :
       std::vector<std::pair<size_t, size_t>>{{0, 128}, {0, 64}, {64, 128}, {144, 280}, {0, header}, {header, manifest}, {manifest, a.size()}}) {
    Bytes file = mixed(from, to);
    EXPECT_NE(outcome_of(file), "ok") << from;
    fix_digest(file);
    EXPECT_NE(outcome_of(file), "ok") << from;
    fix_roots(file);
    fix_digest(file);
    if (file != a) { EXPECT_NE(outcome_of(file), "ok") << from; }
  }
  // One FK: the streams exchanged by someone who can redo roots and MAC.
  const Plain plain(Plain().sections.build().size());
  Forgery equal_sizes = plain.forgery();
  const Bytes one = equal_sizes.build();
  const size_t length = floe_length(equal_sizes.data.size(), 12);
  ASSERT_EQ(one.size(), header_bytes(one) + 2 * length);
  Bytes exchanged = one;
  std::rotate(exchanged.begin() + static_cast<ptrdiff_t>(header_bytes(one)), exchanged.begin() + static_cast<ptrdiff_t>(header_bytes(one) + length),
              exchanged.end());
  fix_keyed(exchanged, secret(99));
  EXPECT_EQ(outcome_of(exchanged), "kSealAuth");
}

TEST(SealAttack, E09_an_old_header_opens_for_the_old_holder_only) {
  Disk disk;
  Made made{.blobs = {5000}};
  made.system = &disk;
  SealOptions options = made.options();
  options.slots.push_back(NewSlot::raw(secret(40)));
  seal(Disk::path("m.tenon"), made.input(), options);
  const Bytes before = disk.get("m.tenon");
  const KeyRing first = raw_ring(0), removed = raw_ring(40), stranger = raw_ring(80);
  const OpenOptions with_first{.keys = &first, .system = &disk}, with_removed{.keys = &removed, .system = &disk};
  change(Disk::path("m.tenon"), with_first, {.remove = {read_header(Disk::path("m.tenon"), with_first).slots[1].id}});
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), with_first), "ok");
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), with_removed), "kSealNoKey");
  std::copy_n(before.begin(), header_bytes(before), disk.get("m.tenon").begin());
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), with_removed), "ok");
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &stranger, .system = &disk}), "kSealNoKey");
}

// docs/sealed_format.md, cases E10 and E11: refused on the header alone. No slot is tried, nothing
// after the header is read.
TEST(SealAttack, E10_E11_header_limits_come_before_any_work) {
  const Bytes original = small();
  const auto with = [&](size_t offset, std::initializer_list<int> bytes) {
    Bytes file = original;
    size_t at = offset;
    for (int b : bytes) file[at++] = static_cast<uint8_t>(b);
    if (header_bytes(file) == header_bytes(original)) fix_digest(file);
    return outcome_of(file);
  };
  EXPECT_EQ(with(8, {2, 0}), "kSealVersion");
  EXPECT_EQ(with(10, {2}), "kSealVersion");
  for (const int log2 : {0, 11, 21, 255}) EXPECT_EQ(with(11, {log2}), "kSealFormat");
  EXPECT_EQ(with(132, {0, 0}), "kSealFormat");
  EXPECT_EQ(with(132, {65, 0}), "kSealLimit");
  EXPECT_EQ(with(128, {0, 0, 0, 0}), "kSealFormat");
  EXPECT_EQ(with(128, {255, 15, 0, 0}), "kSealFormat");
  EXPECT_EQ(with(128, {0, 0xF0, 0xFF, 0xFF}), "kSealLimit");
  EXPECT_EQ(with(134, {9, 0}), "kSealLimit");
}

TEST(SealAttack, E10_passphrase_slots) {
  Disk disk;
  Made made{.blobs = {10}};
  made.system = &disk;
  SealOptions options = made.options();
  const auto phrase = [] { return NewSlot::passphrase(passphrase_from_bytes(ascii("correct horse")), "", 14); };
  for (int i = 0; i < 4; ++i) options.slots.push_back(phrase());
  seal(Disk::path("m.tenon"), made.input(), options);
  KeyRing keys;
  keys.add_passphrase(passphrase_from_bytes(ascii("correct horse")));
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &keys, .system = &disk}), "ok");
  // The fifth scrypt run of one open is not made.
  KeyRing wrong;
  wrong.add_passphrase(passphrase_from_bytes(ascii("wrong")));
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &wrong, .system = &disk}), "kSealNoKey");
  wrong.add_passphrase(passphrase_from_bytes(ascii("correct horse")));
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &wrong, .system = &disk}), "ok");
  KeyRing many;
  for (const char* p : {"a", "b", "c"}) many.add_passphrase(passphrase_from_bytes(ascii(p)));
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &many, .system = &disk}), "kSealLimit");
  options.slots.push_back(phrase());
  EXPECT_EQ(outcome([&] { seal(Disk::path("n.tenon"), made.input(), options); }), "kSealLimit");
  const Bytes bytes = disk.get("m.tenon");
  const size_t log_n = kSlotsStart + 136 + kSlotFront;
  for (const int n : {13, 19, 40, 255}) {
    Bytes file = bytes;
    file[log_n] = static_cast<uint8_t>(n);
    fix_digest(file);
    EXPECT_EQ(outcome_of(file), "kSealLimit") << n;
  }
}

TEST(SealAttack, E12_wrong_and_unusable_keys) {
  const Bytes file = small();
  Disk disk;
  disk.put("m.tenon", file);
  KeyRing wrong = raw_ring(1), identity;
  identity.add_identity(parse_identity(text(identity_string(secret(3)))));
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &wrong, .system = &disk}), "kSealNoKey");
  EXPECT_EQ(open_and_read(Disk::path("m.tenon"), {.keys = &identity, .system = &disk}), "kSealNoKey");
  const KeyRing none;
  EXPECT_EQ(outcome([&] { SealedFile::open(Disk::path("m.tenon"), {.keys = &none, .system = &disk}); }), "kSealNoKey");
  EXPECT_EQ(outcome([] { passphrase_from_bytes({}); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { passphrase_from_bytes(ascii("\n")); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { passphrase_from_bytes(Bytes(1025, 'a')); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { passphrase_from_bytes(Bytes(1024, 'a')); }), "ok");
  EXPECT_EQ(outcome([] { passphrase_from_bytes(ascii({"a\0", 2})); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { raw_key_from_bytes(Bytes(31)); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { raw_key_from_bytes(ascii(std::string(63, 'a'))); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { raw_key_from_bytes(ascii(std::string(64, 'a') + "\n\n")); }), "kSealKeySource");
  EXPECT_EQ(outcome([] { raw_key_from_bytes(ascii(std::string(64, 'A') + "\n")); }), "ok");
  KeyRing full;
  for (int i = 0; i < 64; ++i) full.add_raw(secret(static_cast<uint8_t>(i)));
  EXPECT_EQ(outcome([&] { full.add_raw(secret(64)); }), "kSealLimit");
}

TEST(SealAttack, E14_recipients_of_low_order_and_bad_key_strings) {
  Bytes p(32, 0xff), canonical_8(unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"));
  p[0] = 0xed, p[31] = 0x7f;
  for (int d : {-1, 0, 1}) {
    Bytes point = p;
    point[0] = static_cast<uint8_t>(point[0] + d);
    EXPECT_EQ(outcome([&] { check_recipient(point); }), "kSealKeySource") << d;
  }
  EXPECT_EQ(outcome([&] { check_recipient(canonical_8); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { check_recipient(Bytes(32)); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { check_recipient(Block<32>{1}); }), "kSealKeySource");
  Block<32> good = x25519_public(secret(5));
  EXPECT_EQ(outcome([&] { check_recipient(good); }), "ok");
  good[31] |= 0x80;
  EXPECT_EQ(outcome([&] { check_recipient(good); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] {
              NewSlot slot = NewSlot::to(Block<32>{});
              make_slot(real_system(), Block<32>{}, Block<32>{}, slot);
            }),
            "kSealKeySource");
  const std::string key(text(identity_string(secret(3))));
  EXPECT_EQ(outcome([&] { parse_identity_file("# a comment\r\n\n" + key + "\r\n" + key); }), "ok");
  EXPECT_EQ(outcome([&] { parse_identity_file(" " + key); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { parse_identity_file(key + "\r"); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { parse_identity_file("# nothing\n"); }), "kSealKeySource");
  EXPECT_EQ(outcome([&] { parse_identity_file(std::string(65537, '\n')); }), "kSealLimit");
  std::string many;
  for (int i = 0; i < 65; ++i) many += key + "\n";
  EXPECT_EQ(outcome([&] { parse_identity_file(many); }), "kSealLimit");
}

// A disk whose generator fails at one call.
class GeneratorFails : public Disk {
 public:
  explicit GeneratorFails(int at) : at_(at) {}
  bool random(uint8_t* dst, size_t n) override { return drawn++ != at_ && Disk::random(dst, n); }
  int drawn = 0;

 private:
  int at_;
};

TEST(SealAttack, E15_E16_nothing_random_is_used_twice) {
  Disk disk;
  disk.counting = true;
  Made made{.blobs = {2000 * 4096}};
  made.system = &disk;
  made.seal(Disk::path("a.tenon"));
  made.seal(Disk::path("b.tenon"));
  const std::set<uint64_t> different(disk.handed_out.begin(), disk.handed_out.end());
  EXPECT_EQ(different.size(), disk.handed_out.size());
  std::set<Bytes> nonces;
  size_t count = 0;
  for (const char* name : {"a.tenon", "b.tenon"}) {
    const Bytes& file = disk.get(name);
    for (size_t i = 0; i < 2000; ++i, ++count) {
      const uint8_t* segment = file.data() + header_bytes(file) + Floe::kHeader + i * 4128;
      nonces.insert(Bytes(segment + 4, segment + 16));
    }
  }
  EXPECT_EQ(nonces.size(), count);
  const Bytes &a = disk.get("a.tenon"), &b = disk.get("b.tenon");
  EXPECT_FALSE(equal(View(a).subspan(16, 32), View(b).subspan(16, 32)));
  EXPECT_FALSE(equal(file_key_of(a), file_key_of(b)));

  // The generator fails at each of its calls in turn.
  Made small_one{.blobs = {3 * 4096}, .signers = {1}};
  GeneratorFails whole(-1);
  small_one.system = &whole;
  small_one.seal(Disk::path("a.tenon"));
  ASSERT_GT(whole.drawn, 8);
  for (int call = 0; call < whole.drawn; ++call) {
    GeneratorFails broken(call);
    small_one.system = &broken;
    EXPECT_EQ(outcome([&] { small_one.seal(Disk::path("a.tenon")); }), "resource") << call;
    EXPECT_TRUE(broken.list().empty()) << call;
    EXPECT_EQ(broken.open_files(), 0u) << call;
  }
}

// docs/sealed_format.md, case E16: ten million segments of a stream, each with a nonce that none
// had before it, under ten keys that all differ.
TEST(SealAttack, E16_ten_million_segments_use_no_key_and_nonce_twice) {
  class Counting : public System {
   public:
    bool random(uint8_t* dst, size_t n) override {
      std::memset(dst, 0, n);
      store<uint64_t>(dst, ++drawn);
      return true;
    }
    uint64_t drawn = 0;
  } system;
  constexpr uint64_t kSegments = 10'000'000;
  FloeSealer sealer(system, {.segment = 40}, secret(1), ascii("aad"));
  Bytes plain(8), segment(40), back(8);
  uint64_t before = 0, repeated = 0;
  FloeCipher opener(sealer.floe());
  for (uint64_t i = 0; i < kSegments; ++i) {
    store<uint64_t>(plain.data(), i);
    sealer.add(plain, i + 1 == kSegments, segment.data());
    // The generator counts, so nonces that differ grow.
    const uint64_t nonce = load64(segment.data() + 4);
    repeated += nonce <= before || load32(segment.data() + 12) != 0;
    before = nonce;
    if (i % 65537 && i + 1 != kSegments) continue;
    opener.open(i, i + 1 == kSegments, segment, back.data());
    ASSERT_EQ(back, plain);
  }
  EXPECT_EQ(repeated, 0u);
  EXPECT_EQ(sealer.count(), kSegments);
  std::set<Bytes> keys;
  for (uint64_t i = 0; i < kSegments; i += uint64_t{1} << 20) {
    const Secret key = sealer.floe().segment_key(i);
    keys.insert(Bytes(key.data(), key.data() + key.size()));
  }
  EXPECT_EQ(keys.size(), 10u);
}

std::string outcome_of_blobs(const std::vector<uint64_t>& lengths, size_t data) {
  Plain plain(data);
  plain.sections.list[1].second = lengths_section(lengths);
  return outcome_of(plain.forgery().build());
}

TEST(SealAttack, E17_blobs) {
  EXPECT_EQ(outcome_of_blobs({}, 0), "ok");
  EXPECT_EQ(outcome_of_blobs({0}, 0), "ok");
  EXPECT_EQ(outcome_of_blobs({0, 100}, 100), "ok");
  EXPECT_EQ(outcome_of_blobs({100, 0}, 128), "ok");
  EXPECT_EQ(outcome_of_blobs({100, 0}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs({}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs({99}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs({101}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs({UINT64_MAX, 101}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs({UINT64_MAX - 63, 100}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs({64, UINT64_MAX - 63, 100}, 100), "kSealFormat");
  EXPECT_EQ(outcome_of_blobs(std::vector<uint64_t>(1 << 20), 0), "ok");
  EXPECT_EQ(outcome_of_blobs(std::vector<uint64_t>((1 << 20) + 1), 0), "kSealLimit");
  Made many{.blobs = std::vector<uint64_t>((1 << 20) + 1)};
  Disk disk;
  many.system = &disk;
  EXPECT_EQ(outcome([&] { many.seal(Disk::path("m")); }), "kSealLimit");
  many.blobs = {uint64_t{1} << 44, 1};
  EXPECT_EQ(outcome([&] { many.seal(Disk::path("m")); }), "kSealLimit");
  many.blobs = {UINT64_MAX, 1};
  EXPECT_EQ(outcome([&] { many.seal(Disk::path("m")); }), "kSealLimit");
  EXPECT_TRUE(disk.list().empty());
}

TEST(SealAttack, E18_manifests) {
  const auto result = [](const std::function<void(Plain&)>& edit, const std::function<void(Bytes&)>& edit_bytes = {}) {
    Plain plain;
    edit(plain);
    Forgery forgery = plain.forgery();
    if (edit_bytes) edit_bytes(forgery.manifest);
    return outcome_of(forgery.build());
  };
  const auto nothing = [](Plain&) {};
  EXPECT_EQ(result(nothing), "ok");
  for (size_t gone = 1; gone < 3; ++gone) {
    EXPECT_EQ(result([&](Plain& p) { p.sections.list.erase(p.sections.list.begin() + static_cast<ptrdiff_t>(gone)); }), "kSealFormat");
    EXPECT_EQ(result([&](Plain& p) { p.sections.list[gone].first = 6; }), "kSealFormat");
    EXPECT_EQ(result([&](Plain& p) { p.sections.list[gone].first = 1; }), "kSealFormat");
  }
  EXPECT_EQ(result([](Plain& p) { p.sections.list[0].first = 0; }), "kSealFormat");
  EXPECT_EQ(result([](Plain& p) { std::swap(p.sections.list[1], p.sections.list[2]); }), "kSealFormat");
  EXPECT_EQ(result([](Plain& p) { p.sections.list[2].second.clear(); }), "kSealFormat");
  EXPECT_EQ(result([](Plain& p) { p.sections.list[0].second.resize(64); }), "kSealFormat");
  EXPECT_EQ(result([](Plain& p) { p.sections.list[1].second.resize(7); }), "kSealFormat");
  EXPECT_EQ(result([](Plain& p) { p.sections.list.push_back({5, {'{', '}'}}); }), "ok");
  EXPECT_EQ(result([](Plain& p) { p.sections.list.push_back({5, {}}); }), "kSealFormat");
  EXPECT_EQ(result([](Plain& p) { p.sections.list.push_back({4, {}}); }), "kPolicyFormat");
  EXPECT_EQ(result([](Plain& p) { p.sections.list.push_back({4, Bytes((256 << 10) + 1, ' ')}); }), "kSealLimit");
  EXPECT_EQ(result([](Plain& p) { p.sections.list.push_back({5, Bytes((1 << 20) + 1, ' ')}); }), "kSealLimit");
  for (const uint32_t n : {0u, 2u, 4u, 6u, 0xFFFFFFFFu})
    EXPECT_EQ(result(nothing, [&](Bytes& m) { store<uint32_t>(m.data(), n); }), "kSealFormat") << n;
  EXPECT_EQ(result(nothing, [](Bytes& m) { m[4] = 1; }), "kSealFormat");
  EXPECT_EQ(result(nothing, [](Bytes& m) { m[12] = 1; }), "kSealFormat");
  EXPECT_EQ(result(nothing, [](Bytes& m) { m[60] = 1; }), "kSealFormat") << "padding";
  EXPECT_EQ(result(nothing, [](Bytes& m) { m.push_back(0); }), "kSealFormat");
  for (const uint64_t n : {uint64_t{0}, uint64_t{2}, UINT64_MAX, UINT64_MAX - 191, uint64_t{1} << 63}) {
    EXPECT_EQ(result(nothing, [&](Bytes& m) { store<uint64_t>(m.data() + 8 + 32 + 8, n); }), "kSealFormat") << n;
  }
  EXPECT_EQ(outcome_of(Forgery{.data = Bytes(100), .manifest = {0}}.build()), "kSealFormat");
}

TEST(SealAttack, E19_lengths_around_a_segment) {
  for (const uint64_t n : {0, 1, 4095, 4096, 4097, 8192}) {
    EXPECT_EQ(outcome_of(made_bytes({.blobs = {n}})), "ok") << n;
    const size_t other = made_bytes({.blobs = {n}}).size();
    EXPECT_EQ(floe_length(n, 12), 74 + n + 32 * std::max<uint64_t>(1, (n + 4095) / 4096)) << other;
  }
  for (const size_t n : {1, 4096 - 257, 4096 - 256, 4096 - 255, 8192 - 256})
    EXPECT_EQ(outcome_of(made_bytes({.blobs = {}, .model = std::string(n, 'm')})), "ok") << n;
  const Bytes original = small();
  for (const size_t field : {size_t{48}, size_t{56}}) {
    for (const uint64_t value : {(field == 48 ? kMostData : kMostManifest) + 1, UINT64_MAX, UINT64_MAX - 4095, uint64_t{1} << 63}) {
      Bytes file = original;
      store<uint64_t>(file.data() + field, value);
      fix_digest(file);
      EXPECT_EQ(outcome_of(file), "kSealLimit");
    }
    Bytes file = original;
    store<uint64_t>(file.data() + field, field == 48 ? kMostData : kMostManifest);
    fix_digest(file);
    EXPECT_EQ(outcome_of(file), "kSealTruncated");
  }
}

TEST(SealAttack, E20_signatures) {
  const std::vector<Block<32>> one = {ed25519_public(secret(1))}, two = {ed25519_public(secret(2))}, both = {one[0], two[0]};
  const auto signed_by = [](std::vector<uint8_t> seeds) { return made_bytes({.blobs = {100}, .signers = std::move(seeds)}); };
  EXPECT_EQ(outcome_of(signed_by({}), one), "kSealUnsigned");
  EXPECT_EQ(outcome_of(signed_by({2}), one), "kSealUnsigned");
  EXPECT_EQ(outcome_of(signed_by({2, 1}), one), "ok");
  EXPECT_EQ(outcome_of(signed_by({2}), both), "ok");
  Bytes bad = signed_by({1, 2});
  const Secret file_key = file_key_of(bad);
  const size_t second = kSlotsStart + 136 + kSignature;
  bad[second + 40] ^= 1;
  fix_digest(bad);
  fix_mac(bad, file_key);
  EXPECT_EQ(outcome_of(bad), "ok");
  EXPECT_EQ(outcome_of(bad, one), "ok");
  EXPECT_EQ(outcome_of(bad, two), "kSealBadSignature");
  EXPECT_EQ(outcome_of(bad, both), "kSealBadSignature");
  Bytes repeated = signed_by({1, 2});
  std::copy_n(repeated.begin() + static_cast<ptrdiff_t>(second - kSignature), kSignature, repeated.begin() + static_cast<ptrdiff_t>(second));
  fix_digest(repeated);
  EXPECT_EQ(outcome_of(repeated, one), "kSealFormat");
  EXPECT_EQ(outcome([] { made_bytes({.blobs = {1}, .signers = {1, 1}}); }), "bad_usage");
}

// A message under a key of order 1 fits the signature (identity, 0), whatever it says.
TEST(SealAttack, E20_signers_of_low_order_are_not_trusted) {
  const std::string identity = "01" + std::string(62, '0');
  Block<32> key{};
  Block<64> forged{};
  key[0] = forged[0] = 1;
  EXPECT_TRUE(ed25519_verify(key, ascii("anything"), forged));
  for (const std::string& hex : {identity, "01" + std::string(60, '0') + "80", std::string(64, '0'), "ec" + std::string(60, 'f') + "7f",
                                 "ee" + std::string(60, 'f') + "ff", std::string("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
                                 std::string("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")})
    EXPECT_EQ(outcome([&] { signer_from_file_or_hex(hex); }), "kSealKeySource") << hex;
  EXPECT_EQ(signer_from_file_or_hex(hex(ed25519_public(secret(1)))), ed25519_public(secret(1)));
}

TEST(SealAttack, E21_E22_a_key_holder_alters_weights) {
  const std::vector<Block<32>> signer = {ed25519_public(secret(1))};
  const Bytes original = made_bytes({.blobs = {3 * 4096}, .signers = {1}});
  const Secret file_key = file_key_of(original);
  const FileIdentity identity = identity_of(original);
  const FileKeys keys = derive_keys(identity.file_id(), file_key);
  const size_t start = header_bytes(original);
  // One segment encrypted anew with its key, the header left alone.
  Bytes file = original;
  const Floe floe({.segment = 4128}, keys.data, identity.bytes, View(original).subspan(start, Floe::kHeader));
  FloeCipher cipher(floe);
  cipher.seal(1, false, Block<12>{9}, Bytes(4096, 1), file.data() + start + Floe::kHeader + 4128);
  EXPECT_EQ(outcome_of(file), "ok") << "without signers the file is unsigned";
  EXPECT_EQ(outcome_of(file, signer), "kSealDamaged");
  // Everything redone but the signature.
  Plain plain(3 * 4096);
  Bytes forged = plain.forgery().build();
  EXPECT_EQ(outcome_of(forged), "ok");
  const auto record = original.begin() + kSlotsStart + 136;
  std::copy_n(record, kSignature, forged.begin() + kSlotsStart + 136);
  forged[134] = 1;
  fix_keyed(forged, secret(99));
  EXPECT_EQ(outcome_of(forged), "ok");
  EXPECT_EQ(outcome_of(forged, signer), "kSealBadSignature");
}

// docs/sealed_format.md, case E33: one AES key serves 2^20 segments, then the next.
TEST(SealAttack, E33_the_key_changes_after_a_million_segments) {
  const Floe floe({.segment = 4128}, secret(1), ascii("aad"), block<32>(secret(2)));
  constexpr uint64_t kEdge = uint64_t{1} << 20;
  EXPECT_TRUE(equal(floe.segment_key(0), floe.segment_key(kEdge - 1)));
  EXPECT_FALSE(equal(floe.segment_key(0), floe.segment_key(kEdge)));
  FloeCipher sealer(floe);
  Bytes plain(4096), segment(4128), back(4096);
  for (uint64_t i = 0; i <= kEdge; ++i) {
    store<uint64_t>(plain.data(), i);
    sealer.seal(i, i == kEdge, Block<12>{static_cast<uint8_t>(i), static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i >> 16)}, plain,
                segment.data());
    if (i % 4096 && i < kEdge - 2) continue;
    FloeCipher opener(floe);
    opener.open(i, i == kEdge, segment, back.data());
    ASSERT_EQ(back, plain);
  }
}

// docs/sealed_format.md, case E36: whatever an authentic sender writes as manifest is an error or a
// legal manifest.
TEST(SealAttack, E36_mutated_manifests_behind_a_known_key) {
  std::mt19937 random(7);
  Plain plain;
  plain.sections.list.push_back({4, Bytes(ascii(R"({"v":1,"model":"a","release":1,"grants":[{"who":["any"],"may":["run"]}]})").begin(),
                                          ascii(R"({"v":1,"model":"a","release":1,"grants":[{"who":["any"],"may":["run"]}]})").end())});
  plain.sections.list.push_back({5, {'{', '"', 'a', '"', ':', '"', 'b', '"', '}'}});
  const Bytes original = plain.sections.build();
  const FileIdentity identity = make_identity(block<32>(secret(1)), 12, 100, original.size());
  ASSERT_EQ(outcome([&] { parse_manifest(original, identity); }), "ok");
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes manifest = original;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int e = 0; e < edits; ++e) {
      const size_t at = random() % (random() % 2 ? 88 : manifest.size());
      manifest[at] = random() % 2 ? static_cast<uint8_t>(random()) : static_cast<uint8_t>(manifest[at] ^ (1 << random() % 8));
    }
    if (random() % 8 == 0) manifest.resize(random() % manifest.size());
    const std::string found = outcome([&] { parse_manifest(manifest, identity); });
    EXPECT_TRUE(found == "ok" || found == "kSealFormat" || found == "kSealLimit" || found == "kPolicyFormat") << found;
    refused += found != "ok";
  }
  EXPECT_GT(refused, 10000);
}

TEST(SealAttack, E38_nothing_secret_stands_in_the_clear) {
  Disk disk;
  const Block<32> recipient = x25519_public(secret(5));
  Made made{.blobs = {5000},
            .model = "the graph of the model",
            .policy = R"({"v":1,"model":"acme/secret-name","release":1,"grants":[{"who":["user:alice-the-customer"],"may":["run"]}]})",
            .metadata = R"({"title":"a confidential title"})"};
  made.system = &disk;
  SealOptions options = made.options();
  options.slots.push_back(NewSlot::to(recipient, "customer 7"));
  seal(Disk::path("m.tenon"), made.input(), options);
  const Bytes& file = disk.get("m.tenon");
  const auto holds = [&](View bytes) { return std::search(file.begin(), file.end(), bytes.begin(), bytes.end()) != file.end(); };
  EXPECT_TRUE(holds(ascii("customer 7"))) << "labels are public";
  for (const std::string_view hidden : {"graph of the model", "secret-name", "alice", "confidential", "release"})
    EXPECT_FALSE(holds(ascii(hidden))) << hidden;
  EXPECT_FALSE(holds(recipient));
  EXPECT_FALSE(holds(ascii(recipient_string(recipient)).subspan(4)));
  EXPECT_FALSE(holds(View(expected_blob(0, 5000)).first(16)));
}

}  // namespace
}  // namespace tenon::seal
