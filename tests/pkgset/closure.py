"""Which store paths a set of attributes needs: Debian's dependencies, grouped and free of cycles."""

import sys


class Closure:
    """Nodes (future store paths) with their Debian packages and dependencies.

    members: {node: [Debian packages]}; depends: {node: {nodes}}; node_of: {group or package: node};
    attributes: {attribute: node}.
    """

    def __init__(self, suite, attributes, tables, label):
        self._suite = suite
        self._tables = tables
        self._group_of = {package: group for group, packages in tables["groups"].items()
                          for package in packages}
        known = {group: [package for package in packages if package in suite.packages]
                 for group, packages in tables["groups"].items()}
        targets = {name: self._target(name) for name in attributes}
        missing = sorted(name for name, target in targets.items()
                         if not known.get(target) and target not in suite.packages)
        if missing:
            sys.exit(f"{label}: no such Debian package: {' '.join(missing)}")
        packages, depends = self._walk(["glibc", "bash", *targets.values()], known)
        self.node_of = _merge_cycles(depends, tables["groups"], label)
        self.members, self.depends = {}, {}
        for name, names in packages.items():
            node = self.node_of[name]
            self.members.setdefault(node, []).extend(names)
            self.depends.setdefault(node, set()).update(self.node_of[x] for x in depends[name])
        for node, others in self.depends.items():
            others.discard(node)
        self.attributes = {name: self.node_of[target] for name, target in targets.items()}

    def _target(self, attribute):
        name = self._tables["attrs"].get(attribute, attribute)
        return self._group_of.get(name, name)

    def _walk(self, start, known):
        packages, depends, todo = {}, {}, list(start)
        drop = set(self._tables["drop"])
        while todo:
            name = todo.pop()
            if name in depends:
                continue
            packages[name] = known.get(name, [name])
            found = {self._group_of.get(other, other) for package in packages[name]
                     for other in self._suite.depends(package, drop)}
            depends[name] = (found - {name}) | set(self._tables["extra"].get(name, []))
            todo += depends[name]
        return packages, depends

    def reach(self, node):
        """The node and everything below it."""
        reached, todo = set(), [node]
        while todo:
            name = todo.pop()
            if name not in reached:
                reached.add(name)
                todo += self.depends[name]
        return reached


def _merge_cycles(depends, groups, label):
    """{name: the name that stands for its dependency cycle}; a name without a cycle stands for itself."""
    node_of = {}
    for cycle in _strongly_connected(depends):
        head = min(cycle, key=lambda name: (name not in groups, len(name), name))
        for name in cycle:
            node_of[name] = head
        if len(cycle) > 1:
            print(f"{label}: one store path for the cycle {sorted(cycle)}: {head}", file=sys.stderr)
    return node_of


def _strongly_connected(graph):
    """Tarjan's algorithm, without recursion since chains of dependencies are long."""
    index, low, stack, on_stack, components = {}, {}, [], set(), []

    def enter(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        on_stack.add(name)
        work.append((name, iter(sorted(graph[name]))))

    for root in sorted(graph):
        work = []
        if root not in index:
            enter(root)
        while work:
            name, successors = work[-1]
            unseen = None
            for other in successors:
                if other not in index:
                    unseen = other
                    break
                if other in on_stack:
                    low[name] = min(low[name], index[other])
            if unseen is not None:
                enter(unseen)
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[name])
            if low[name] == index[name]:
                start = stack.index(name)
                components.append(stack[start:])
                on_stack.difference_update(stack[start:])
                del stack[start:]
    return components
