#include "plugin/images/layer_table.h"

#include "base/sha256.h"
#include "plugin/images/image_table.h"
#include "plugin/state/state_database.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_directory.h"

namespace stowage {
namespace {

ObjectRecord Object(const std::string& name) { return {0, name, Sha256("nar of " + name)}; }

LayerRecord Layer(const std::string& name) {
  return {0,    LayerKind::kStorePaths, Sha256("content " + name), Sha256("diff " + name), 1024,
          false};
}

struct Fixture {
  testing::TemporaryDirectory directory;
  std::unique_ptr<LayerTable> table = LayerTable::Open(directory.Join("stowage.db")).value();
};

TEST_CASE("LayerTable remembers a layer by content, number and diff_id", "[plugin][layer_table]") {
  Fixture f;
  const auto id = f.table->Record(Layer("a"), {Object("b-x"), Object("a-x")});
  REQUIRE_OK(id);
  CHECK(f.table->Record(Layer("a"), {Object("b-x"), Object("a-x")}).value() == *id);
  CHECK(f.table->FindByContent(Layer("a").content_key)->id == *id);
  CHECK(f.table->FindByDiffId(Layer("a").diff_id)->size_bytes == 1024);
  CHECK(f.table->FindById(*id)->diff_id == Layer("a").diff_id);
  CHECK(absl::IsNotFound(f.table->FindById(*id + 1).status()));
  CHECK(absl::IsNotFound(f.table->FindByContent(Sha256("none")).status()));
}

TEST_CASE("LayerTable gives a store path one number, and another one when its content changed",
          "[plugin][layer_table]") {
  Fixture f;
  const int64_t a = f.table->Record(Layer("a"), {Object("p-x"), Object("q-x")}).value();
  const int64_t b = f.table->Record(Layer("b"), {Object("p-x")}).value();
  ObjectRecord rebuilt = Object("p-x");
  rebuilt.nar_hash = Sha256("built again, not the same");
  const int64_t c = f.table->Record(Layer("c"), {rebuilt}).value();
  const auto both = f.table->Objects({a, b});
  REQUIRE_OK(both);
  REQUIRE(both->size() == 2);
  CHECK((*both)[0].base_name == "p-x");
  CHECK(f.table->Objects({b})->front().number == (*both)[0].number);
  CHECK(f.table->Objects({c})->front().number != (*both)[0].number);
}

TEST_CASE("LayerTable follows a chain down and knows which layer stands on which chain",
          "[plugin][layer_table]") {
  Fixture f;
  const std::vector<int64_t> layers = {f.table->Record(Layer("a"), {}).value(),
                                       f.table->Record(Layer("b"), {}).value(),
                                       f.table->Record(Layer("c"), {}).value()};
  const std::vector<Digest> chains = {Sha256("1"), Sha256("2"), Sha256("3")};
  REQUIRE_OK(f.table->RecordChains(chains, layers));
  CHECK(f.table->ChainLayers(chains[2]).value() == layers);
  CHECK(f.table->ChainLayers(chains[0]).value() == std::vector<int64_t>{layers[0]});
  CHECK(f.table->TopLayer(chains[2], chains[1]).value() == layers[2]);
  CHECK(absl::IsNotFound(f.table->TopLayer(chains[2], chains[0]).status()));
  CHECK(absl::IsNotFound(f.table->ChainLayers(Sha256("4")).status()));
}

TEST_CASE("LayerTable finds rooted layers that nobody holds", "[plugin][layer_table]") {
  Fixture f;
  const int64_t held = f.table->Record(Layer("held"), {}).value();
  const int64_t mounted = f.table->Record(Layer("mounted"), {}).value();
  const int64_t idle = f.table->Record(Layer("idle"), {}).value();
  const int64_t unrooted = f.table->Record(Layer("unrooted"), {}).value();
  REQUIRE_OK(f.table->SetRooted({held, mounted, idle}, true));
  const absl::Time now = absl::FromUnixSeconds(1000);
  REQUIRE_OK(f.table->Hold({held}, now + absl::Seconds(1)));
  REQUIRE_OK(f.table->Hold({held}, now - absl::Seconds(5)));  // a hold never gets shorter
  auto other = OpenStateDatabase(f.directory.Join("stowage.db"));
  REQUIRE_OK(other);
  REQUIRE_OK(
      other->Execute("INSERT INTO snapshots(key,kind,created_at,updated_at) VALUES('s',3,0,0)"));
  REQUIRE_OK(
      other->Execute("INSERT INTO snapshot_layers VALUES(1,0," + std::to_string(mounted) + ")"));
  const auto unneeded = f.table->TakeUnneededLayers(now);
  REQUIRE_OK(unneeded);
  REQUIRE(unneeded->size() == 1);
  CHECK(unneeded->front().id == idle);
  CHECK_FALSE(f.table->FindById(idle)->rooted);
  CHECK(f.table->FindById(held)->rooted);
  CHECK_FALSE(f.table->FindById(unrooted)->rooted);
}

TEST_CASE("LayerTable gives a run of layers one view for ever", "[plugin][layer_table]") {
  Fixture f;
  const int64_t a = f.table->Record(Layer("a"), {Object("p-x")}).value();
  const int64_t b = f.table->Record(Layer("b"), {Object("q-x")}).value();
  REQUIRE_OK(f.table->SetRooted({a, b}, true));
  const int64_t view = f.table->ViewNumber(Sha256("a b"), {a, b}).value();
  CHECK(f.table->ViewNumber(Sha256("a b"), {a, b}).value() == view);
  CHECK(f.table->UnneededViews()->empty());
  REQUIRE_OK(f.table->SetRooted({b}, false));
  CHECK(f.table->UnneededViews().value() == std::vector<int64_t>{view});
  CHECK(f.table->NeededObjects()->size() == 2);
  REQUIRE_OK(f.table->ForgetView(view));
  CHECK(f.table->NeededObjects()->size() == 1);
  CHECK(f.table->ViewNumber(Sha256("a b"), {a, b}).value() > view);
}

TEST_CASE("LayerTable forgets what was made of a wrong record, and nothing else",
          "[plugin][layer_table]") {
  Fixture f;
  const auto images = ImageTable::Open(f.directory.Join("stowage.db")).value();
  LayerRecord lie = Layer("lie");
  lie.recorded_by = "https://other.example";
  const int64_t base = f.table->Record(Layer("base"), {Object("a-x")}).value();
  const int64_t wrong = f.table->Record(lie, {Object("b-x")}).value();
  const int64_t top = f.table->Record(Layer("top"), {}).value();
  const auto record = [&](const std::string& name, std::vector<int64_t> layers) {
    const Document manifest = {Sha256("manifest " + name), "m", "{}"};
    const Document config = {Sha256("config " + name), "c", "{}"};
    REQUIRE_OK(images->Record(
        {{0, Sha256(name), name, manifest.digest, config.digest, Sha256("chain " + name), {}},
         layers,
         {manifest},
         {config}}));
  };
  record("good", {base, top});
  record("bad", {base, wrong, top});
  REQUIRE_OK(f.table->RecordChains({Sha256("1"), Sha256("good")}, {base, top}));
  REQUIRE_OK(f.table->RecordChains({Sha256("1"), Sha256("12"), Sha256("bad")}, {base, wrong, top}));
  const int64_t view = f.table->ViewNumber(Sha256("view"), {base, wrong}).value();

  const auto settled = f.table->SettleRecord(wrong, Sha256("truth"), 2048);
  REQUIRE_OK(settled);
  CHECK_FALSE(settled->was_right);
  CHECK(settled->forgotten == std::vector<std::string>{"bad"});
  CHECK(f.table->FindById(wrong)->diff_id == Sha256("truth"));
  CHECK(f.table->FindById(wrong)->recorded_by.empty());
  CHECK(absl::IsNotFound(images->FindByCacheKey(Sha256("bad")).status()));
  CHECK(absl::IsNotFound(images->FindManifest(Sha256("manifest bad")).status()));
  CHECK(absl::IsNotFound(images->FindBlob(Sha256("config bad")).status()));
  REQUIRE_OK(images->FindByCacheKey(Sha256("good")));
  REQUIRE_OK(images->FindManifest(Sha256("manifest good")));
  REQUIRE_OK(images->FindBlob(Sha256("config good")));
  REQUIRE_OK(f.table->ChainLayers(Sha256("good")));
  CHECK(absl::IsNotFound(f.table->ChainLayers(Sha256("12")).status()));
  CHECK(absl::IsNotFound(f.table->ChainLayers(Sha256("bad")).status()));
  CHECK(f.table->ViewLayers(view).value() == std::vector<int64_t>{base, wrong});

  REQUIRE_OK(f.table->SettleRecord(wrong, Sha256("truth"), 2048));
  CHECK(absl::IsDataLoss(f.table->SettleRecord(wrong, Sha256("damaged"), 2048).status()));
  CHECK(f.table->FindById(wrong)->diff_id == Sha256("truth"));
}

TEST_CASE("A provisional layer is neither hashed nor to be hashed", "[plugin][layer_table]") {
  Fixture f;
  LayerRecord provisional = Layer("a");
  provisional.recorded_by = kProvisional;
  const int64_t id = f.table->Record(provisional, {Object("a-x")}).value();
  REQUIRE_OK(f.table->SetRooted({id}, true));
  CHECK(f.table->LayersToHash()->empty());
  CHECK_FALSE(f.table->AllHashed().value());
}

TEST_CASE("LayerTable keeps what was made of a right record, and prefers what was hashed",
          "[plugin][layer_table]") {
  Fixture f;
  LayerRecord word = Layer("a");
  word.recorded_by = "https://other.example";
  const int64_t id = f.table->Record(word, {Object("a-x")}).value();
  REQUIRE_OK(f.table->RecordChains({Sha256("1")}, {id}));
  CHECK(f.table->LayersToHash()->empty());
  CHECK(f.table->AllHashed().value());
  REQUIRE_OK(f.table->SetRooted({id}, true));
  CHECK_FALSE(f.table->AllHashed().value());
  REQUIRE(f.table->LayersToHash()->size() == 1);
  CHECK(f.table->LayersToHash()->front().recorded_by == "https://other.example");
  LayerRecord hashed = Layer("b");
  hashed.diff_id = word.diff_id;
  const int64_t other = f.table->Record(hashed, {Object("b-x")}).value();
  CHECK(f.table->FindByDiffId(word.diff_id)->id == other);
  const auto settled = f.table->SettleRecord(id, word.diff_id, word.size_bytes);
  REQUIRE_OK(settled);
  CHECK(settled->was_right);
  CHECK(f.table->AllHashed().value());
  CHECK(f.table->LayersToHash()->empty());
  REQUIRE_OK(f.table->ChainLayers(Sha256("1")));
}

}  // namespace
}  // namespace stowage
