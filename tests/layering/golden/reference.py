#!/usr/bin/env python3
"""Reference of the layering strategies, for the golden plans and the cross-check.

Written for being right rather than fast: a cluster merge looks at every pair, sets are built path
by path. Shares no code and no data structure with layering/. The rule: docs/layering.md.

    reference.py verify       compares plans.json with what this file computes
    reference.py regenerate   writes graphs.json's generated graph and the plans anew
"""

import dataclasses
import functools
import json
import pathlib
import random
import sys

GOLDEN = pathlib.Path(__file__).parent
GENERATED_GRAPH = "generated-420"


@dataclasses.dataclass(frozen=True)
class Constants:
    """As ReuseTailConstants in layering/reuse_tail.h."""

    tail_percent: int = 25
    path_survival: int = 63570
    user_absence: int = 64225
    max_start_clusters: int = 256
    max_clustered_paths: int = 20000


def name_and_hash(base_name):
    """The key of the total order of paths."""
    hash_part, _, name = base_name.partition("-")
    return name, hash_part


def closure_of(nodes, roots):
    """The set of base names reachable from roots."""
    reached, pending = set(), list(roots)
    while pending:
        path = pending.pop()
        if path not in reached:
            reached.add(path)
            pending += nodes[path]["references"]
    return reached


class Closure:
    """What the rule needs to know of each path of a graph's closure."""

    def __init__(self, graph):
        nodes = graph["nodes"]
        self.paths = sorted(closure_of(nodes, graph["roots"]), key=name_and_hash)
        self.rank = {path: rank for rank, path in enumerate(self.paths)}
        self.size = {path: nodes[path]["narSize"] for path in self.paths}
        self.dependencies = {path: closure_of(nodes, [path]) for path in self.paths}
        self.users = {
            path: {user for user in self.paths if path in self.dependencies[user]}
            for path in self.paths
        }
        self.tier_count = len(graph["tiers"])
        self.tier = {path: self.tier_count for path in self.paths}
        for number, roots in reversed(list(enumerate(graph["tiers"]))):
            if roots and all(root in self.rank for root in roots):
                for path in closure_of(nodes, roots):
                    self.tier[path] = number


@dataclasses.dataclass(frozen=True, eq=False)
class Cluster:
    """Paths in one layer; sets of paths are integers with one bit per rank."""

    members: tuple
    size: int
    users: int
    dependencies: int
    rank: int

    def joined(self, other):
        return Cluster(
            self.members + other.members,
            self.size + other.size,
            self.users & other.users,
            self.dependencies | other.dependencies,
            min(self.rank, other.rank),
        )


def powers(factor, highest):
    result = [1 << 24]
    for _ in range(highest):
        result.append(result[-1] * factor >> 16)
    return result


def cluster_tail(closure, tail, max_clusters, constants):
    """Merges the pair with the least loss until max_clusters are left."""
    survival = powers(constants.path_survival, len(closure.paths))
    absence = powers(constants.user_absence, len(closure.paths))

    def bits(paths):
        return sum(1 << closure.rank[path] for path in paths)

    def worth(cluster):
        user_count = cluster.users.bit_count()
        dependency_count = cluster.dependencies.bit_count()
        return cluster.size * ((1 << 24) - absence[user_count] + survival[dependency_count])

    def loss(pair):
        one, other = pair
        lost = worth(one) + worth(other) - worth(one.joined(other))
        return lost, min(one.rank, other.rank), max(one.rank, other.rank)

    clusters = [
        Cluster(
            (path,),
            closure.size[path],
            bits(closure.users[path]),
            bits(closure.dependencies[path]),
            closure.rank[path],
        )
        for path in tail
    ]
    first, rest = clusters[: constants.max_start_clusters], clusters[constants.max_start_clusters :]
    clusters = first + ([functools.reduce(Cluster.joined, rest)] if rest else [])
    losses = {}
    while len(clusters) > max_clusters:
        pairs = [(b, a) for i, a in enumerate(clusters) for b in clusters[:i]]
        for pair in pairs:
            if pair not in losses:
                losses[pair] = loss(pair)
        one, other = min(pairs, key=losses.__getitem__)
        clusters = [c for c in clusters if c not in (one, other)] + [one.joined(other)]
    return [cluster.members for cluster in clusters]


def cut(closure, max_layers, min_layer_bytes, constants):
    """(paths with a layer of their own, clusters of the others)"""
    by_size = sorted(closure.paths, key=lambda path: (-closure.size[path], closure.rank[path]))
    if len(by_size) <= max_layers and min_layer_bytes == 0:
        return by_size, []
    fitting = sum(closure.size[path] >= min_layer_bytes for path in by_size)
    tail_layers = max(1, max_layers * constants.tail_percent // 100)
    if fitting <= max_layers - 1:
        tail_layers = max(1, min(tail_layers, max_layers - fitting))
    if len(by_size) > constants.max_clustered_paths:
        tail_layers = 1
    largest = by_size[: max_layers - tail_layers]
    singles = [path for path in largest if closure.size[path] >= min_layer_bytes]
    tail = [path for path in by_size if path not in set(singles)]
    if tail_layers == 1:
        return singles, [tail] if tail else []
    return singles, cluster_tail(closure, tail, tail_layers, constants)


def reuse_tail(graph, max_layers, min_layer_bytes, constants):
    closure = Closure(graph)

    def key_of_single(path):
        tier = closure.tier[path]
        users = sum(closure.tier[user] <= tier for user in closure.users[path])
        return tier, -users, len(closure.dependencies[path]), closure.rank[path]

    def key_of_cluster(members):
        return (
            closure.tier_count,
            -min(len(closure.users[path]) for path in members),
            len(set().union(*(closure.dependencies[path] for path in members))),
            min(closure.rank[path] for path in members),
        )

    singles, clusters = cut(closure, max_layers, min_layer_bytes, constants)
    layers = [(key_of_single(path), [path]) for path in singles]
    layers += [(key_of_cluster(members), list(members)) for members in clusters]
    return [sorted(members, key=name_and_hash) for _, members in sorted(layers)]


def single(graph):
    paths = closure_of(graph["nodes"], graph["roots"])
    return [sorted(paths, key=name_and_hash)] if paths else []


def plan(graph, strategy, max_layers, min_layer_bytes, constants=Constants()):
    """Layers of base names, base first."""
    if strategy == "single":
        return single(graph)
    return reuse_tail(graph, max_layers, min_layer_bytes, constants)


def generate_graph(rng, path_count, tie_percent=0, edges_per_path=5):
    """A closure like those of package sets: few hubs, sizes over six decades, two tiers.

    tie_percent: share of paths with a size from a choice of three, so that the order decides.
    """
    names = [f"{rng.randrange(16 ** 6):06x}{i:04d}-package-{rng.randrange(path_count)}"
             for i in range(path_count)]
    nodes = {}
    for i, name in enumerate(names):
        hubs = [names[int(i * rng.random() ** 3)] for _ in range(rng.randint(0, edges_per_path))]
        references = sorted(set(hubs)) if i else []
        if rng.random() < 0.3:
            references.append(name)
        tied = rng.randrange(100) < tie_percent
        size = rng.choice((0, 4096, 65536)) if tied else int(10 ** rng.uniform(2, 8))
        nodes[name] = {"narSize": size, "references": references}
    used = {r for name in names for r in nodes[name]["references"] if r != name}
    roots = [name for name in names if name not in used]
    tiers = [rng.sample(names, 2), rng.sample(names, 3)] if path_count >= 3 else []
    return {"nodes": nodes, "roots": roots, "tiers": tiers}


def expected_layers(graphs, case):
    return plan(graphs[case["graph"]], case["strategy"], case["maxLayers"], case["minLayerBytes"])


def dump_by_line(path, brackets, lines):
    path.write_text(brackets[0] + "\n" + ",\n".join(lines) + "\n" + brackets[1] + "\n")


def main():
    graphs = json.loads((GOLDEN / "graphs.json").read_text())
    cases = json.loads((GOLDEN / "plans.json").read_text())
    if sys.argv[1:] == ["verify"]:
        wrong = [case for case in cases if case["layers"] != expected_layers(graphs, case)]
        for case in wrong:
            print("differs:", case["graph"], case["strategy"], case["maxLayers"])
        return 1 if wrong else 0
    if sys.argv[1:] == ["regenerate"]:
        graphs[GENERATED_GRAPH] = generate_graph(random.Random(420), 420, tie_percent=25)
        for case in cases:
            case["layers"] = expected_layers(graphs, case)
        graph_lines = (f"{json.dumps(name)}: {json.dumps(graphs[name])}" for name in graphs)
        dump_by_line(GOLDEN / "graphs.json", "{}", graph_lines)
        dump_by_line(GOLDEN / "plans.json", "[]", map(json.dumps, cases))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
