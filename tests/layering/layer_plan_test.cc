#include "layering/layer_plan.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/layering/plan_json.h"
#include "tests/support/catch.h"
#include "tests/support/status_matchers.h"

namespace stowage {
namespace {

using testing::NamedLayers;
using testing::NameLayers;

nlohmann::json ReadGolden(const std::string& name) {
  std::ifstream file(absl::StrCat(STOWAGE_GOLDEN_DIRECTORY, "/", name));
  return nlohmann::json::parse(file);
}

NamedLayers Plan(const LayerGraph& graph, const LayerPlanOptions& options) {
  const auto plan = BuildLayerPlan(graph, options);
  REQUIRE_OK(plan);
  return NameLayers(graph, plan->layers);
}

// A graph of "0-NAME" nodes; every node is a root.
struct TestNode {
  std::string name;
  uint64_t nar_size_bytes;
  std::vector<uint32_t> references;
};
LayerGraph MakeGraph(const std::vector<TestNode>& nodes) {
  LayerGraph graph;
  for (const TestNode& node : nodes) {
    graph.roots.push_back(static_cast<uint32_t>(graph.nodes.size()));
    graph.nodes.push_back({"0-" + node.name, node.nar_size_bytes, node.references});
  }
  return graph;
}

// The same graph with nodes, references, roots and the roots of tiers in another order.
LayerGraph Shuffle(const LayerGraph& graph, std::mt19937& random) {
  std::vector<uint32_t> old_of(graph.nodes.size());
  for (uint32_t i = 0; i < old_of.size(); ++i) old_of[i] = i;
  std::shuffle(old_of.begin(), old_of.end(), random);
  std::vector<uint32_t> new_of(old_of.size());
  for (uint32_t i = 0; i < old_of.size(); ++i) new_of[old_of[i]] = i;
  const auto shuffled = [&](std::vector<uint32_t> indices) {
    for (uint32_t& index : indices) index = new_of[index];
    std::shuffle(indices.begin(), indices.end(), random);
    return indices;
  };
  LayerGraph result;
  for (uint32_t old : old_of) {
    const LayerGraph::Node& node = graph.nodes[old];
    result.nodes.push_back({node.base_name, node.nar_size_bytes, shuffled(node.references)});
  }
  result.roots = shuffled(graph.roots);
  for (const auto& tier : graph.tiers) result.tiers.push_back(shuffled(tier));
  return result;
}

TEST_CASE("BuildLayerPlan gives the golden plans", "[layering][layer_plan]") {
  const nlohmann::json graphs = ReadGolden("graphs.json");
  const nlohmann::json cases = ReadGolden("plans.json");
  REQUIRE(cases.size() == 28);
  for (const auto& golden : cases) {
    const std::string name = golden.at("graph");
    const LayerPlanOptions options = testing::OptionsFromJson(golden);
    INFO(name << " " << options.strategy << " " << options.max_layers);
    CHECK(Plan(testing::GraphFromJson(graphs.at(name)), options) ==
          golden.at("layers").get<NamedLayers>());
  }
}

TEST_CASE("BuildLayerPlan does not depend on the order of its input", "[layering][layer_plan]") {
  const std::string name =
      GENERATE("equal-leaves-120", "generated-420", "real-shell-git-htop", "self-ref-and-ties");
  const int max_layers = GENERATE(2, 20, 94);
  const LayerGraph graph = testing::GraphFromJson(ReadGolden("graphs.json").at(name));
  const LayerPlanOptions options = {.max_layers = max_layers};
  const NamedLayers expected = Plan(graph, options);
  std::mt19937 random(11);
  for (int i = 0; i < 20; ++i) {
    INFO(name << " in " << max_layers << ", shuffle " << i);
    CHECK(Plan(Shuffle(graph, random), options) == expected);
  }
}

TEST_CASE("A closure within the budget has one layer per path, references first",
          "[layering][layer_plan]") {
  const LayerGraph graph =
      testing::GraphFromJson(ReadGolden("graphs.json").at("real-shell-git-htop"));
  const auto plan = BuildLayerPlan(graph, {.max_layers = static_cast<int>(graph.nodes.size())});
  REQUIRE_OK(plan);
  std::map<uint32_t, size_t> position;
  for (const auto& layer : plan->layers) {
    REQUIRE(layer.size() == 1);
    position.emplace(layer[0], position.size());
  }
  REQUIRE(position.size() == graph.nodes.size());
  for (uint32_t node = 0; node < graph.nodes.size(); ++node) {
    for (uint32_t reference : graph.nodes[node].references) {
      if (reference != node) CHECK(position[reference] < position[node]);
    }
  }
}

TEST_CASE("A budget of one layer puts everything into it", "[layering][layer_plan]") {
  const LayerGraph graph = MakeGraph({{"b", 1, {}}, {"a", 900, {0}}, {"c", 5, {0, 1}}});
  CHECK(Plan(graph, {.max_layers = 1}) == NamedLayers{{"0-a", "0-b", "0-c"}});
}

TEST_CASE("Paths below the floor share layers", "[layering][layer_plan]") {
  const LayerGraph graph = MakeGraph(
      {{"big", 5000, {}}, {"s1", 10, {0}}, {"s2", 20, {0}}, {"s3", 30, {}}, {"mid", 100, {}}});
  CHECK(Plan(graph, {.max_layers = 4, .min_layer_bytes = 100}) ==
        NamedLayers{{"0-big"}, {"0-mid"}, {"0-s1", "0-s2", "0-s3"}});
  // With the floor above everything there is only the tail.
  CHECK(Plan(graph, {.max_layers = 4, .min_layer_bytes = 5001}) ==
        NamedLayers{{"0-big", "0-mid", "0-s1", "0-s2", "0-s3"}});
  CHECK(Plan(graph, {.max_layers = 5}).size() == 5);
}

TEST_CASE("Nodes that no root reaches are left out", "[layering][layer_plan]") {
  const std::string strategy = GENERATE("reuse-tail", "single");
  LayerGraph graph = MakeGraph({{"used", 1, {}}, {"unused", 2, {0}}, {"root", 3, {0}}});
  graph.roots = {2};
  NamedLayers layers = Plan(graph, {.strategy = strategy, .max_layers = 1});
  CHECK(layers == NamedLayers{{"0-root", "0-used"}});
  graph.roots = {};
  CHECK(Plan(graph, {.strategy = strategy}).empty());
}

TEST_CASE("Members of a layer are sorted by name, then by hash", "[layering][layer_plan]") {
  LayerGraph graph = MakeGraph({{"", 1, {}}, {"", 1, {}}, {"", 1, {}}, {"", 1, {}}});
  graph.nodes[0].base_name = "c-a";
  graph.nodes[1].base_name = "a-b-c";
  graph.nodes[2].base_name = "b-a";
  graph.nodes[3].base_name = "z-a+";
  CHECK(Plan(graph, {.strategy = "single"}) == NamedLayers{{"b-a", "c-a", "z-a+", "a-b-c"}});
}

TEST_CASE("Layers of a tier come first and do not depend on the rest", "[layering][layer_plan]") {
  LayerGraph graph =
      MakeGraph({{"lib", 50, {}}, {"shell", 40, {0}}, {"app", 30, {3}}, {"x", 9, {}}});
  CHECK(Plan(graph, {}) == NamedLayers{{"0-lib"}, {"0-x"}, {"0-app"}, {"0-shell"}});
  graph.tiers = {{1}};
  CHECK(Plan(graph, {}) == NamedLayers{{"0-lib"}, {"0-shell"}, {"0-x"}, {"0-app"}});

  LayerGraph other =
      MakeGraph({{"lib", 50, {}}, {"shell", 40, {0}}, {"tool", 30, {0}}, {"editor", 9, {2, 0}}});
  other.tiers = {{1}};
  const NamedLayers layers = Plan(other, {});
  REQUIRE(layers.size() == 4);
  CHECK(NamedLayers(layers.begin(), layers.begin() + 2) == NamedLayers{{"0-lib"}, {"0-shell"}});
}

TEST_CASE("A tier that the closure does not hold has no effect", "[layering][layer_plan]") {
  LayerGraph graph =
      MakeGraph({{"lib", 50, {}}, {"shell", 40, {0}}, {"app", 30, {}}, {"absent", 1, {}}});
  graph.roots = {1, 2};
  graph.tiers = {{2}};
  const NamedLayers expected = Plan(graph, {});
  CHECK(expected == NamedLayers{{"0-app"}, {"0-lib"}, {"0-shell"}});
  graph.tiers = {{1, 3}, {}, {2}};
  CHECK(Plan(graph, {}) == expected);
}

TEST_CASE("Above 20,000 paths the tail is one layer", "[layering][layer_plan]") {
  constexpr uint32_t kPaths = 20500;
  LayerGraph graph;
  for (uint32_t i = 0; i < kPaths; ++i) {
    std::vector<uint32_t> references = {i};
    if (i > 0) references = {i / 2, i / 3, 0, i};
    graph.nodes.push_back({absl::StrCat(i, "-path"), 1 + (i * 7919) % kPaths, references});
    graph.roots.push_back(i);
  }
  const auto plan = BuildLayerPlan(graph, {});
  REQUIRE_OK(plan);
  std::vector<size_t> sizes;
  for (const auto& layer : plan->layers) sizes.push_back(layer.size());
  std::sort(sizes.begin(), sizes.end());
  REQUIRE(sizes.size() == 94);
  CHECK(sizes[92] == 1);
  CHECK(sizes[93] == kPaths - 93);
}

TEST_CASE("BuildLayerPlan takes the largest sizes there are", "[layering][layer_plan]") {
  constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  LayerGraph graph;
  for (uint32_t i = 0; i < 300; ++i) {
    graph.nodes.push_back({absl::StrCat(i, "-path"), kLargest, {}});
    graph.roots.push_back(i);
  }
  CHECK(Plan(graph, {}).size() == 94);
}

TEST_CASE("BuildLayerPlan refuses a damaged graph and says where", "[layering][layer_plan]") {
  LayerGraph graph = MakeGraph({{"a", 1, {}}, {"b", 2, {0}}, {"c", 3, {1}}, {"d", 4, {2}}});
  std::string mention;
  SECTION("reference outside") {
    graph.nodes[1].references = {0, 4};
    mention = "0-b names node 4, but the graph has 4 nodes";
  }
  SECTION("root outside") {
    graph.roots = {9};
    mention = "the list of roots names node 9";
  }
  SECTION("tier outside") {
    graph.tiers = {{0}, {7}};
    mention = "tier 1 names node 7";
  }
  SECTION("base name given twice") {
    graph.nodes[2].base_name = "0-a";
    mention = "0-a is given twice";
  }
  SECTION("base name without hyphen") {
    graph.nodes[2].base_name = "glibc";
    mention = "'glibc' is no HASH-NAME";
  }
  SECTION("cycle") {
    // d leads to the cycle but is not part of it.
    graph.nodes[1].references = {2};
    graph.nodes[3].references = {2, 0};
    graph.roots = {3};
    mention = GENERATE("refers to itself through other paths", "0-");
    CHECK(!absl::StrContains(BuildLayerPlan(graph, {}).status().message(), "0-d"));
  }
  const absl::Status status = BuildLayerPlan(graph, {}).status();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  INFO(status.message());
  CHECK(absl::StrContains(status.message(), mention));
}

TEST_CASE("Options out of range are refused", "[layering][layer_plan]") {
  const auto [options, mention] = GENERATE(table<LayerPlanOptions, std::string>(
      {{{.strategy = "popularity"}, "no strategy 'popularity'; there are reuse-tail, single"},
       {{.strategy = ""}, "no strategy ''"},
       {{.max_layers = 0}, "max_layers is 0, must be 1 to 499"},
       {{.max_layers = -5}, "max_layers is -5"},
       {{.max_layers = 500}, "max_layers is 500"}}));
  const LayerGraph graph = MakeGraph({{"a", 1, {}}});
  for (const absl::Status& status :
       {BuildLayerPlan(graph, options).status(), LayerPlanIdentity(options).status()}) {
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(absl::StrContains(status.message(), mention));
  }
}

TEST_CASE("LayerPlanIdentity names all that decides about a plan", "[layering][layer_plan]") {
  CHECK(LayerPlanIdentity({}).value() ==
        "reuse-tail version=1 max-layers=94 min-layer-bytes=0 tail-percent=25 path-survival=63570 "
        "user-absence=64225 max-start-clusters=256 max-clustered-paths=20000");
  CHECK(LayerPlanIdentity({.strategy = "single", .max_layers = 7, .min_layer_bytes = 65}).value() ==
        "single version=1 max-layers=7 min-layer-bytes=65");
}

TEST_CASE("LayerGraphOf keeps a closure's indices", "[layering][layer_plan]") {
  const Digest digest(Digest::Bytes{});
  const auto path = [](char c, const std::string& name) {
    return StorePath::FromBaseName(std::string(32, c) + "-" + name).value();
  };
  const Closure closure = {
      {{path('0', "glibc"), digest, 30, {}}, {path('1', "bash"), digest, 7, {0}}}, {1}};
  const LayerGraph graph = LayerGraphOf(closure);
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[1].base_name == std::string(32, '1') + "-bash");
  CHECK(graph.nodes[1].nar_size_bytes == 7);
  CHECK(graph.nodes[1].references == std::vector<uint32_t>{0});
  CHECK(graph.roots == std::vector<uint32_t>{1});
  CHECK(graph.tiers.empty());
}

}  // namespace
}  // namespace stowage
