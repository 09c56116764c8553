#include "layering/tar_header.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "absl/strings/match.h"
#include "base/sha256.h"
#include "tests/support/catch.h"

namespace stowage {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

std::string Header(const TarEntry& entry) {
  std::string header;
  AppendTarHeader(entry, &header);
  CHECK(header.size() == TarHeaderBytes(entry));
  return header;
}

TarEntry File(absl::string_view path, uint64_t size_bytes = 0) {
  return {TarEntry::Type::kFile, 0444, path, size_bytes, ""};
}

TarEntry Link(absl::string_view path, absl::string_view target) {
  return {TarEntry::Type::kSymlink, 0777, path, 0, target};
}

// What libarchive makes of the header.
struct Parsed {
  std::string path;
  std::string link_target;
  int64_t size_bytes = 0;
  int64_t time = 0;
  unsigned type = 0;
  unsigned permissions = 0;
  std::string warning;
};

Parsed Parse(const std::string& header) {
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(reader.get());
  REQUIRE(archive_read_open_memory(reader.get(), header.data(), header.size()) == ARCHIVE_OK);
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader.get(), &entry);
  const char* error = archive_error_string(reader.get());
  INFO((error == nullptr ? "" : error));
  REQUIRE(result == ARCHIVE_OK);
  const char* link = archive_entry_symlink(entry);
  return {archive_entry_pathname(entry), link == nullptr ? "" : link,   archive_entry_size(entry),
          archive_entry_mtime(entry),    archive_entry_filetype(entry), archive_entry_perm(entry),
          error == nullptr ? "" : error};
}

TEST_CASE("A plain header has exactly the specified fields", "[layering][tar_header]") {
  const std::string header = Header(File("nix/store/x", 8));
  std::string expected;
  const auto field = [&expected](std::string text, size_t size) {
    expected += text + std::string(size - text.size(), '\0');
  };
  field("nix/store/x", 100);
  field("0000444", 8);
  field("0000000", 8);
  field("0000000", 8);
  field("00000000010", 12);
  field("00000000001", 12);
  expected += std::string("011317\0 ", 8);
  field("0", 1);
  field("", 100);
  field("ustar", 6);
  expected += "00";
  field("", 64);
  field("0000000", 8);
  field("0000000", 8);
  field("", 155 + 12);
  CHECK(header == expected);
}

TEST_CASE("A path is split at the first slash that leaves at most 100 bytes",
          "[layering][tar_header]") {
  struct Case {
    std::string path;
    std::string prefix;
    std::string name;
    bool extended;
  };
  const std::string n100(100, 'n');
  const std::string p155(155, 'p');
  const Case example = GENERATE_COPY(
      Case{n100, "", n100, false}, Case{n100 + "n", "", n100, true},
      Case{"p/" + n100, "p", n100, false}, Case{p155 + "/" + n100, p155, n100, false},
      Case{p155 + "p/" + n100, "", (p155 + "p/" + n100).substr(0, 100), true},
      // Two slashes fit; the one further left is taken.
      Case{"aa/bb/" + std::string(96, 'n'), "aa", "bb/" + std::string(96, 'n'), false},
      Case{"aa/bb/" + std::string(98, 'n'), "aa/bb", std::string(98, 'n'), false},
      // A directory's own slash does not count.
      Case{n100 + "/", "", n100, true},
      Case{"p/" + n100.substr(1) + "/", "p", n100.substr(1) + "/", false},
      Case{"/" + n100, "", ("/" + n100).substr(0, 100), true});
  const std::string header = Header(File(example.path));
  INFO(example.path);
  CHECK((header.size() == 512) == !example.extended);
  const std::string block = header.substr(header.size() - 512);
  CHECK(block.substr(0, 100) == example.name + std::string(100 - example.name.size(), '\0'));
  CHECK(block.substr(345, 155) == example.prefix + std::string(155 - example.prefix.size(), '\0'));
  CHECK(Parse(header).path == example.path);
}

TEST_CASE("An extended header has sorted records that count themselves", "[layering][tar_header]") {
  const std::string path = "d/" + std::string(101, 'n');
  const std::string target(101, 't');
  const std::string header = Header(Link(path, target));
  REQUIRE(header.size() == 3 * 512);
  CHECK(absl::StartsWith(header, std::string("@PaxHeader\0", 11)));
  CHECK(header[156] == 'x');
  const std::string records = "115 linkpath=" + target + "\n113 path=" + path + "\n";
  CHECK(header.substr(512, 512) == records + std::string(512 - records.size(), '\0'));
}

TEST_CASE("A record whose length has one digit more for itself is right",
          "[layering][tar_header]") {
  // 4 + "path=" + value + newline: with 990 bytes of value 998 without its digits' growth.
  for (size_t size = 980; size < 1000; ++size) {
    const std::string path = std::string(101, 'p') + "/" + std::string(size, 'n');
    CHECK(Parse(Header(File(path))).path == path);
  }
  CHECK(absl::StrContains(Header(File(std::string(989, 'n'))), "999 path=n"));
  CHECK(absl::StrContains(Header(File(std::string(990, 'n'))), "1001 path=n"));
}

TEST_CASE("libarchive reads every path and link back byte for byte", "[layering][tar_header]") {
  const std::string unit = GENERATE("x", "\xc3\xa4", "\xe4", "a\nb", " ", "\xff/");
  for (const int repeat : {1, 20, 60, 90, 400}) {
    std::string text = "d/";
    for (int i = 0; i < repeat; ++i) text += unit;
    text += "e";
    const Parsed parsed = Parse(Header(Link(text, text)));
    CHECK((parsed.path == text));
    CHECK((parsed.link_target == text));
    CHECK(parsed.type == AE_IFLNK);
    CHECK(parsed.permissions == 0777);
    CHECK(parsed.time == 1);
    CHECK(parsed.warning == "");
  }
}

TEST_CASE("Sizes on both sides of 8 GiB are read back", "[layering][tar_header]") {
  const uint64_t size = GENERATE(uint64_t{0}, 8 * kGiB - 1, 8 * kGiB, 8 * kGiB + 1, 5000 * kGiB);
  const std::string header = Header(File("nix/store/large", size));
  CHECK(header.size() == (size < 8 * kGiB ? 512 : 3 * 512));
  const Parsed parsed = Parse(header);
  CHECK(parsed.size_bytes == static_cast<int64_t>(size));
  CHECK(parsed.type == AE_IFREG);
}

TEST_CASE("Headers with every kind of record are frozen", "[layering][tar_header]") {
  CHECK(Sha256(Header(File("nix/store/large", 8 * kGiB))).hex() ==
        "953fe1dfc3c9f9ebbe5b9a2aaa96fc6e12e2bf3f3b67014da4d4c951e8e33270");
  CHECK(Sha256(Header(Link(std::string(300, '\xe4'), std::string(300, 't')))).hex() ==
        "3aa101fd42bcd647bab93fa326b87343d9072b4ee5161b84312d032a7e2afe87");
  CHECK(Sha256(Header(File(std::string(300, '\xe4'), 9 * kGiB))).hex() ==
        "f69664394bb5268d891ded635d6c685401d954073c0acd9a2c45ff5c037c9504");
}

}  // namespace
}  // namespace stowage
