#include "layering/store_listing.h"

#include "absl/strings/str_cat.h"
#include "layering/profile.h"
#include "tests/layering/synthetic_store.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

using testing::SyntheticStore;

const std::string kName = SyntheticStore::BaseName('a', "a");

std::string Listing(const std::string& root) {
  return absl::StrCat(R"({"version":1,"root":)", root, "}");
}

std::string Directory(const std::string& entries) {
  return absl::StrCat(R"({"type":"directory","entries":{)", entries, "}}");
}

constexpr char kProgram[] = R"("vi":{"type":"regular","size":3,"executable":true,"narOffset":400})";
constexpr char kText[] = R"("text":{"type":"regular","size":2})";

std::string WholeListing() {
  return Listing(Directory(absl::StrCat(R"("bin":)", Directory(kProgram), ",", kText, ",",
                                        R"("up":{"type":"symlink","target":"../)",
                                        SyntheticStore::BaseName('b', "b"), R"(/x"})")));
}

void MakeWhole(const SyntheticStore& store) {
  store.File(kName + "/bin/vi", "#!/", true);
  store.File(kName + "/text", "hi");
  store.Symlink(kName + "/up", "../" + SyntheticStore::BaseName('b', "b") + "/x");
}

TEST_CASE("A listing and the store path that it lists have the same digest",
          "[layering][listing]") {
  const SyntheticStore store;
  MakeWhole(store);
  const auto listed = ParseStoreListing(kName, WholeListing());
  const auto read = ReadStoreTree(store.path(), kName);
  REQUIRE_OK(listed);
  REQUIRE_OK(read);
  CHECK(listed->entry_count() == 5);
  CHECK(StoreTreeDigest(*listed) == StoreTreeDigest(*read));
}

TEST_CASE("Whatever a listing has otherwise changes the digest", "[layering][listing]") {
  const SyntheticStore store;
  MakeWhole(store);
  const Digest truth = StoreTreeDigest(ReadStoreTree(store.path(), kName).value());
  const auto [from, to] = GENERATE(table<std::string, std::string>({
      {"\"vi\"", "\"ed\""},
      {"\"size\":3", "\"size\":4"},
      {",\"executable\":true", ""},
      {"/x\"", "/y\""},
      {R"("text":{"type":"regular","size":2},)", ""},
      {R"({"type":"regular","size":2})", R"({"type":"directory","entries":{}})"},
  }));
  std::string text = WholeListing();
  REQUIRE(text.find(from) != std::string::npos);
  text.replace(text.find(from), from.size(), to);
  const auto listed = ParseStoreListing(kName, text);
  REQUIRE_OK(listed);
  CHECK(StoreTreeDigest(*listed) != truth);
}

TEST_CASE("ParseStoreListing refuses what no store path can be", "[layering][listing]") {
  const std::string file = R"({"type":"regular","size":1})";
  const std::string text = GENERATE_COPY(
      as<std::string>(), "", "[]", "null", R"({"version":2,"root":{"type":"regular","size":1}})",
      R"({"version":1})", Listing("[]"), Listing("{}"), Listing(R"({"type":"fifo"})"),
      Listing(R"({"type":"directory"})"), Listing(R"({"type":"directory","entries":[]})"),
      Listing(R"({"type":"regular"})"), Listing(R"({"type":"regular","size":-1})"),
      Listing(R"({"type":"regular","size":18446744073709551615})"),
      Listing(R"({"type":"symlink"})"), Listing(R"({"type":"symlink","target":""})"),
      Listing(R"({"type":"symlink","target":"a\u0000b"})"), Listing(Directory("\"..\":" + file)),
      Listing(Directory("\".\":" + file)), Listing(Directory("\"\":" + file)),
      Listing(Directory("\"a/b\":" + file)), Listing(Directory("\"a\\u0000b\":" + file)),
      Listing(Directory("\"" + std::string(256, 'n') + "\":" + file)),
      std::string(kMaxStoreListingBytes + 1, ' '));
  CHECK(absl::IsInvalidArgument(ParseStoreListing(kName, text).status()));
}

TEST_CASE("ParseStoreListing bounds the depth of a listing", "[layering][listing]") {
  std::string deep = R"({"type":"regular","size":1})";
  for (int i = 0; i < 3000; ++i) deep = Directory("\"d\":" + deep);
  CHECK(absl::IsInvalidArgument(ParseStoreListing(kName, Listing(deep)).status()));
}

TEST_CASE("LinkedStorePaths names the store paths that links lead into", "[layering][listing]") {
  const std::string b = SyntheticStore::BaseName('b', "b"), c = SyntheticStore::BaseName('c', "c");
  const auto link = [](const std::string& name, const std::string& target) {
    return absl::StrCat("\"", name, R"(":{"type":"symlink","target":")", target, "\"}");
  };
  const std::string entries =
      absl::StrCat(link("1", "/nix/store/" + b + "/bin"), ",", link("2", "../" + c), ",",
                   link("3", "./here"), ",", link("4", "/nix/store/" + kName + "/here"), ",",
                   link("5", "/etc/passwd"), ",", link("6", "../../out"), ",", link("7", "../"));
  const auto tree = ParseStoreListing(kName, Listing(Directory(entries)));
  REQUIRE_OK(tree);
  CHECK(LinkedStorePaths(*tree) == std::vector<std::string>{b, c});
}

TEST_CASE("A profile composed of skeletons is that of the store paths", "[layering][listing]") {
  const SyntheticStore store;
  MakeWhole(store);
  store.File(SyntheticStore::BaseName('b', "b") + "/x/y", "");
  const testing::TemporaryDirectory skeletons;
  for (const std::string& name : {kName, SyntheticStore::BaseName('b', "b")})
    REQUIRE_OK(WriteStoreSkeleton(ReadStoreTree(store.path(), name).value(), skeletons.path()));
  const auto of_store = ComposeProfile({store.path(), {kName}});
  const auto of_skeletons = ComposeProfile({skeletons.path(), {kName}});
  REQUIRE_OK(of_store);
  REQUIRE_OK(of_skeletons);
  CHECK(of_store->key == of_skeletons->key);
  CHECK(of_store->conflicts == of_skeletons->conflicts);
}

}  // namespace
}  // namespace stowage
