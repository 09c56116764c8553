"""What a node may have and what it must not have: rows and files that agree, and nothing left over."""

import os
import re
import sqlite3

from commands import expect_equal, wait_until

SETTLE_SECONDS = 30  # for what is deleted in the background


def expect_whole(node):
    """Rows, directories, roots and index files agree, and nothing unfinished lies around."""
    wait_until(lambda: not _disagreement(node), SETTLE_SECONDS, f"a consistent state ({_disagreement(node)})")


def _disagreement(node):
    database = sqlite3.connect(f"file:{node.state}/stowage.db?mode=ro", uri=True)
    try:
        def texts(sql):
            return {str(row[0]) for row in database.execute(sql)}
        if texts("PRAGMA integrity_check") != {"ok"} or texts("PRAGMA foreign_key_check"):
            return "the database is damaged"
        rows = texts("SELECT id FROM snapshots WHERE chain_id='' AND NOT (kind=1 AND parent_id NOTNULL)")
        equal = [("snapshots", _names(f"{node.state}/snapshots"), rows | {".stowage"}),
                 ("GC roots", _names(f"{node.gc_roots}/layers"),
                  texts("SELECT substr(content_key, 8) FROM layers WHERE rooted=1 AND kind=0")),
                 ("roots of resolving", _names(f"{node.gc_roots}/resolving"), set())]
        known = [("profiles", texts("SELECT substr(diff_id, 8) FROM layers WHERE rooted=1 AND kind=1")),
                 ("profile_records", texts("SELECT substr(diff_id, 8) FROM layers WHERE kind=1")),
                 ("expected_trees", texts("SELECT object_number FROM layer_objects JOIN layers ON id=layer_id "
                                          "WHERE recorded_by='provisional'")),
                 ("promises", set()),
                 ("views", texts("SELECT number FROM views")),
                 ("overlay", {"current"}),
                 ("overlay/current/skeletons", texts("SELECT number FROM views")),
                 ("objects", texts("SELECT object_number FROM layer_objects"))]
    finally:
        database.close()
    for what, present, wanted in equal:
        if present != wanted:
            return f"{what}: surplus {sorted(present - wanted)}, missing {sorted(wanted - present)}"
    for name, wanted in known:
        if _names(f"{node.state}/{name}") - wanted:
            return f"{name}: surplus {sorted(_names(f'{node.state}/{name}') - wanted)}"
    unfinished = [name for name in _names(node.state) if ".tmp-" in name]
    return f"unfinished: {unfinished}" if unfinished else ""


def expect_empty(node):
    """After everything was removed: no snapshot, root, profile, view, index file or mapping, no mount of a snapshot."""
    def left():
        found = {name: sorted(_names(f"{node.state}/{name}") - {".stowage"})
                 for name in ("snapshots", "profiles", "views", "overlay/current/skeletons", "objects", "idmapped")}
        found["GC roots"] = sorted(_names(f"{node.gc_roots}/layers") | _names(f"{node.gc_roots}/resolving"))
        found["mounts"] = [mount for mount in mounts()
                           if node.directory in mount and not mount.startswith((f"{node.mountpoint} ", f"{node.lower} "))]
        return {name: names for name, names in found.items() if names}
    wait_until(lambda: not left(), SETTLE_SECONDS, f"nothing left over (now {left()})")


def mounts():
    """"MOUNTPOINT TYPE" of all mounts of this mount namespace, sorted."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return sorted(f"{words[4]} {words[words.index('-') + 1]}" for words in lines)


def descriptors(pid):
    """How many descriptors of each kind a process has: {kind: count}; numbers of sockets and the like left out."""
    kinds = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            kind = re.sub(r"\d+", "N", os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def processes():
    """The names of all programs of this PID namespace, one for each process, sorted; zombies left out."""
    names = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                name, state = re.match(r"\d+ \((.*)\) (.)", file.read()).groups()
        except OSError:
            continue
        if state != "Z":
            names.append(name)
    return sorted(names)


def expect_same(before, after, what):
    """Equal lists or counts; the Failure shows the difference only."""
    def counted(things):
        return things if isinstance(things, dict) else {name: things.count(name) for name in things}
    before, after = counted(before), counted(after)
    changed = {key: (before.get(key, 0), after.get(key, 0)) for key in {*before, *after}
               if before.get(key, 0) != after.get(key, 0)}
    expect_equal(changed, {}, f"{what} (before, after)")


def _names(directory):
    try:
        return set(os.listdir(directory))
    except FileNotFoundError:
        return set()
