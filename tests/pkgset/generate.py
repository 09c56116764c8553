#!/usr/bin/env python3
"""Make an offline Nix package set out of Debian's binary packages.

  generate.py --out DIR [--packages hello,jq,NAME=DEBIAN-PACKAGE,...] [--systems x86_64-linux,aarch64-linux]
              [--cache DIR] [--mirror URL] [--offline]

Resolves each attribute to Debian packages, downloads their dependency closure once into CACHE, reads every file's ELF
header, #! line and symlinks, and writes DIR: packages.json (what each store path holds and refers to), debs/,
bootstrap/busybox and the Nix files that turn them into derivations. Without --packages the dozen of tables.toml.
Needs python3 >= 3.11, apt, dpkg and Debian's archive keyring; no root. Only Debian's mirror is asked, and only here.
"""

import argparse
import hashlib
import json
import os
import shutil
import tomllib

from closure import Closure
from deb_scan import open_deb, scan_deb
from debian_suite import DebianSuite, find_mirror
from plan import plan_nodes

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE = "bookworm"  # tables.toml names its versions
PLATFORMS = {
    "x86_64-linux": ("amd64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64-linux": ("arm64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}


def load_tables():
    """tables.toml with its groups split into lists."""
    with open(f"{HERE}/tables.toml", "rb") as file:
        tables = tomllib.load(file)
    tables["groups"] = {group: text.split() for group, text in tables["groups"].items()}
    return tables


def describe_system(system, attributes, tables, options):
    """The part of packages.json for one system; downloads what the cache lacks."""
    architecture, triplet, loader = PLATFORMS[system]
    suite = DebianSuite(options.cache, options.mirror, SUITE, architecture, options.offline)
    closure = Closure(suite, attributes, tables, system)
    files = suite.fetch([package for members in closure.members.values() for package in members])
    scans = {package: scan_deb(f"{options.cache}/debs/{file['file']}", file["sha256"], options.cache)
             for package, file in files.items()}
    bootstrap = suite.fetch([*tables["bootstrap"], "busybox-static"])
    busybox = bootstrap.pop("busybox-static")
    return {
        "triplet": triplet,
        "ld": loader,
        "nodes": plan_nodes(closure, scans, suite, files, tables, triplet),
        "attrs": closure.attributes,
        "bootstrap": list(bootstrap.values()),
    }, busybox


def write_set(out, database, busybox, cache):
    """Writes DIR from the database; .debs that it no longer names go."""
    for folder in ("debs", "bootstrap"):
        os.makedirs(f"{out}/{folder}", exist_ok=True)
    used = set()
    for system in database["systems"].values():
        for node in [{"debs": system["bootstrap"]}, *system["nodes"].values()]:
            used |= {deb["file"] for deb in node["debs"]}
    for file in set(os.listdir(f"{out}/debs")) - used:
        os.unlink(f"{out}/debs/{file}")
    for file in sorted(used - set(os.listdir(f"{out}/debs"))):
        link_or_copy(f"{cache}/debs/{file}", f"{out}/debs/{file}")
    with open_deb(f"{cache}/debs/{busybox['file']}") as files:
        member = next(member for member in files if member.name.endswith("/bin/busybox"))
        with open(f"{out}/bootstrap/busybox", "wb") as file:
            file.write(files.extractfile(member).read())
    os.chmod(f"{out}/bootstrap/busybox", 0o755)
    for file in sorted(os.listdir(f"{HERE}/set")):
        shutil.copy(f"{HERE}/set/{file}", f"{out}/{file}")
    with open(f"{out}/packages.json", "w", encoding="utf-8") as file:
        json.dump(database, file, indent=1, sort_keys=True)
    return used


def link_or_copy(source, target):
    """A hard link where the file system allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.add_argument("--packages", metavar="LIST", help="attributes, or ATTRIBUTE=DEBIAN-PACKAGE")
    parser.add_argument("--systems", default="x86_64-linux", metavar="LIST")
    parser.add_argument("--cache", metavar="DIR", help="default: XDG_CACHE_HOME/stowage-pkgset")
    parser.add_argument("--mirror", metavar="URL", help="default: the one in apt's own sources")
    parser.add_argument("--offline", action="store_true", help="use the cache only")
    options = parser.parse_args()
    options.systems = options.systems.split(",")
    unknown = [system for system in options.systems if system not in PLATFORMS]
    if unknown:
        parser.error(f"unknown systems {unknown}; known: {sorted(PLATFORMS)}")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    options.cache = os.path.abspath(options.cache or f"{home}/stowage-pkgset")
    if not options.offline:
        options.mirror = (options.mirror or find_mirror(SUITE)).rstrip("/")
    return options


def main():
    options = parse_arguments()
    tables = load_tables()
    attributes = list(tables["default"])
    if options.packages:
        attributes = []
        for word in options.packages.split(","):
            name, _, package = word.partition("=")
            attributes.append(name)
            if package:
                tables["attrs"][name] = package
    attributes = list(dict.fromkeys([*tables["base"], *attributes]))

    database = {"suite": SUITE, "systems": {}}
    busybox = None
    for system in options.systems:
        database["systems"][system], found = describe_system(system, attributes, tables, options)
        busybox = busybox or found  # builders run on the first system
    used = write_set(options.out, database, busybox, options.cache)

    for system, part in database["systems"].items():
        print(f"{system}: {len(part['attrs'])} attributes, {len(part['nodes'])} store paths")
    size = sum(os.path.getsize(f"{options.out}/debs/{file}") for file in used)
    digest = hashlib.sha256(json.dumps(database, sort_keys=True).encode()).hexdigest()[:16]
    print(f"{len(used)} packages, {size / 1e6:.1f} MB; set {digest}")


if __name__ == "__main__":
    main()
