#!/usr/bin/env python3
"""Compares BuildLayerPlan with the reference on random graphs.

    layer_plan_cross_check.py PROGRAM [SEED [COUNT]]    PROGRAM: layer_plan_json
"""

import json
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "golden"))
sys.dont_write_bytecode = True
import reference  # noqa: E402  (found by the line above)


def random_case(rng):
    path_count = rng.randint(1, 60)
    graph = reference.generate_graph(rng, path_count, rng.choice((0, 50, 100)), rng.randint(1, 6))
    if rng.random() < 0.1:  # sums beyond 64 bits
        for node in graph["nodes"].values():
            node["narSize"] = (1 << 64) - 1 - rng.randrange(3)
    if rng.random() < 0.2:  # tiers that the closure holds in part only
        graph["roots"] = rng.sample(graph["roots"], 1)
    if rng.random() < 0.2:
        graph["tiers"] = rng.choice(([], [[], *graph["tiers"]], graph["tiers"][::-1]))
    case = {
        "graph": graph,
        "strategy": "single" if rng.random() < 0.05 else "reuse-tail",
        "maxLayers": rng.choice((1, 2, 4, 8, 9, 12, 16, 20, 40, 94)),
        "minLayerBytes": rng.choice((0, 0, 4096, 65536, 1 << 30)),
    }
    if case["strategy"] == "reuse-tail" and rng.random() < 0.4:
        case["constants"] = {
            "startClusters": rng.randint(1, 20),
            "clusteredPaths": rng.choice((20, 40, 20000)),
        }
    return case


def reference_plan(case):
    constants = reference.Constants()
    if "constants" in case:
        constants = reference.Constants(
            max_start_clusters=case["constants"]["startClusters"],
            max_clustered_paths=case["constants"]["clusteredPaths"],
        )
    return reference.plan(
        case["graph"], case["strategy"], case["maxLayers"], case["minLayerBytes"], constants
    )


def main(program, seed="1", count="120"):
    rng = random.Random(int(seed))
    cases = [random_case(rng) for _ in range(int(count))]
    run = subprocess.run(
        [program], input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=100
    )
    wrong = 0
    for number, (case, plan) in enumerate(zip(cases, json.loads(run.stdout), strict=True)):
        if plan != (expected := reference_plan(case)):
            wrong += 1
            print(f"case {number} differs: {json.dumps(case)}\n  is     {plan}\n  wanted {expected}")
    shared = sum(any(len(layer) > 1 for layer in reference_plan(case)) for case in cases)
    print(f"{len(cases)} graphs, {shared} with shared layers, {wrong} plans differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
