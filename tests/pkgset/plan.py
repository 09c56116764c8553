"""What set/builder.sh has to do to each store path's files, and what the path will refer to.

A plan is a text with one action a line (see set/builder.sh); `@out@` stands for the path itself and
`@@NODE@@` for another node's path.
"""

import os
import re

from deb_scan import below_out


class FileIndex:
    """Where every library and every file of a closure is."""

    def __init__(self, closure, scans):
        self.libraries = {}  # name in NEEDED -> [(node, folder)]
        self.owner = {}      # path below $out -> first node that has it
        for node, packages in closure.members.items():
            for package in packages:
                self._add(node, scans[package])

    def _add(self, node, scan):
        for path, (_, _, soname) in scan["elf"].items():
            for name in {soname, os.path.basename(path)} - {None}:
                self.libraries.setdefault(name, []).append((node, os.path.dirname(path)))
        for path in scan["link"]:
            self.owner.setdefault(path, node)
            if ".so" in os.path.basename(path):
                self.libraries.setdefault(os.path.basename(path), []).append(
                    (node, os.path.dirname(path)))
        for path in scan["names"]:
            self.owner.setdefault(path, node)


class NodePlan:
    """The plan of one node. Reads the closure; adds to its dependencies what #! lines need."""

    def __init__(self, node, closure, index, scans, tables):
        self.node = node
        self.actions = []
        self.references = set()
        self._closure = closure
        self._index = index
        self._tables = tables
        self._scans = [scans[package] for package in closure.members[node]]

    def make(self, triplet):
        """Fills actions and references."""
        for scan in self._scans:
            self._absolute_links(scan)
            self._elf_files(scan)
            self._interpreters(scan)
        self._wrappers(triplet)
        for name, links in self._tables["links"].items():
            if self._closure.node_of.get(name) == self.node:
                self.actions += [f"l {path} {target}" for path, target in links.items()]
        self.references.discard(self.node)

    def _at(self, node, path):
        if node == self.node:
            return f"@out@/{path}"
        self.references.add(node)
        return f"@@{node}@@/{path}"

    def _absolute_links(self, scan):
        for path, target in scan["link"].items():
            if not target.startswith("/"):
                continue
            target = below_out(target)
            owner = self._index.owner.get(target)
            if owner is None and self._has_folder(target):
                owner = self.node
            if owner in self._closure.reach(self.node):
                self.actions.append(f"l {path} {self._at(owner, target)}")

    def _has_folder(self, path):
        return any(name.startswith(path + "/") for scan in self._scans for name in scan["names"])

    def _elf_files(self, scan):
        glibc = self._closure.node_of["glibc"]
        reach = self._closure.reach(self.node)
        for path, (has_interpreter, needed, _) in scan["elf"].items():
            if self.node == glibc and not has_interpreter:
                continue  # the dynamic linker itself must not be patched
            runpath = []
            for name in needed:
                places = self._index.libraries.get(name, [])
                own = [place for place in places if place[0] == self.node]
                below = [place for place in places if place[0] in reach]
                for place in (own or below)[:1]:
                    folder = self._at(*place)
                    if folder not in runpath:
                        runpath.append(folder)
            if has_interpreter:
                self.references.add(glibc)
            self.actions.append(f"e {path} {int(has_interpreter)} {':'.join(runpath) or '-'}")

    def _interpreters(self, scan):
        for path, line in scan["bang"].items():
            words = line[2:].split()
            if len(words) > 1 and os.path.basename(words[0]) == "env":
                words = words[1:]
            known = self._tables["interpreters"].get(os.path.basename(words[0])) if words else None
            if not known or known[0] not in self._closure.node_of:
                continue
            owner = self._closure.node_of[known[0]]
            if not self._may_refer_to(owner, known[0]):
                continue
            self.actions.append(f"s {path} {self._at(owner, known[1])} {' '.join(words[1:])}".rstrip())
            if owner != self.node:
                self._closure.depends[self.node].add(owner)

    def _may_refer_to(self, owner, name):
        """No reference that closes a cycle; perl only where the package itself asks for it."""
        if owner == self.node:
            return True
        if self.node in self._closure.reach(owner):
            return False
        return name != "perl" or owner in self._closure.reach(self.node)

    def _wrappers(self, triplet):
        for name, programs in self._tables["wrap"].items():
            if self._closure.node_of.get(name) != self.node:
                continue
            for path, environment in programs.items():
                text = " ".join(f"{variable}={value}" for variable, value in environment.items())
                text = text.replace("TRIPLET", triplet)
                self.actions.append(f"w {path} {text}")
                self.references.add(self._closure.node_of["bash"])
                self.references |= {self._closure.node_of[other]
                                    for other in re.findall(r"@@([^@]+)@@", text)}


def plan_nodes(closure, scans, suite, files, tables, triplet):
    """{node: what set/default.nix needs to make its derivation}."""
    index = FileIndex(closure, scans)
    nodes = {}
    for node in sorted(closure.members):
        plan = NodePlan(node, closure, index, scans, tables)
        plan.make(triplet)
        packages = closure.members[node]
        fields = suite.packages[packages[0]]
        names = set(tables["links"].get(node, {}))
        for package in packages:
            names |= set(scans[package]["names"]) | set(scans[package]["link"])
        nodes[node] = {
            "pname": tables["names"].get(node, node),
            "version": _upstream_version(fields["Version"]),
            "debs": [files[package] for package in packages],
            "refs": sorted(plan.references),
            "propagated": sorted(closure.depends[node] - plan.references),
            "plan": "\n".join(plan.actions) + "\n",
            "wrapped": any(action.startswith("w ") for action in plan.actions),
            "man": any(name.startswith(("share/man/", "share/info/")) for name in names),
            "post": tables["post"].get(node, ""),
            "description": fields.get("Description", "").split("\n")[0],
            "homepage": fields.get("Homepage", ""),
            "mainProgram": next((name for name in (node, packages[0]) if f"bin/{name}" in names), None),
        }
    return nodes


def _upstream_version(version):
    upstream = version.split(":", 1)[-1].rsplit("-", 1)[0]
    upstream = re.split(r"\+dfsg|\+ds|~|\+deb", upstream)[0]
    return re.sub(r"[^0-9A-Za-z.+_-]", "-", upstream) or "0"
