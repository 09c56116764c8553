"""Index files of another version are written again under running containers; the database of the version before is brought
to this one, any other is refused, unharmed."""

import os
import re
import struct

from commands import expect, expect_equal, expect_in, run, wait_until

IMAGE = "nix/shell/busybox/hello:latest"
HEADER = struct.Struct("<8sIIQQQQQII")  # fuse/index_format.h
SCHEMA_VERSION = 3  # plugin/state/schema.h
# of the image and of the container that runs; containerd may still be removing others
ROWS = ("SELECT id, key, parent_id, kind, created_at, chain_id, driver FROM snapshots "
        "WHERE chain_id != '' OR key LIKE '%/running' ORDER BY id")


def main(case):
    node = case.started_node()
    node.stowage("pull", IMAGE, seconds=120)
    node.ctr("run", "--detach", "--snapshotter", "stowage", IMAGE, "running", "busybox", "sleep", "1000")
    _exec(node, "before", "hello")
    for version in (0, 2):
        _index_files_of(case, node, version)
    for version in (SCHEMA_VERSION + 1, SCHEMA_VERSION - 1, SCHEMA_VERSION - 2):
        _database_of(case, node, version)
    _database_of_the_version_before(node)
    expect_in("Hello", node.run_container(IMAGE, "last", "hello").stdout, "a container at the end")


def _index_files_of(case, node, version):
    node.stop_daemon("stowaged")
    files = _index_files(node)
    expect(len(files) > 5, f"index files: {files}")
    for path in files:
        _set_version(path, version)
    _set_stamp(node, version)
    # what the running worker has mapped it keeps
    _exec(node, f"mapped-{version}", "hello")
    _start_stowaged(node)
    expect_equal({_version(path) for path in _index_files(node)}, {1}, f"versions after a start with version {version}")
    expect_equal(_index_files(node), files, "index files")
    # a worker that has nothing mapped, for the container that runs and for a new one
    _replace_worker(node)
    _exec(node, f"again-{version}", "sh", "-ec", "ls /bin/ /nix/store/*/ > /dev/null; hello; busybox id")
    expect_in("Hello", node.run_container(IMAGE, f"new-{version}", "hello").stdout, "a new container")


def _database_of(case, node, version):
    """With tables that are not those of their version, stowaged does not start, says why, and changes nothing; containers go on."""
    node.stop_daemon("stowaged")
    database = f"{node.state}/stowage.db"
    _set_user_version(database, version)
    content = run(["sqlite3", database, ".dump"]).stdout
    directories = sorted(os.listdir(node.state))
    refused = run([f"{case.bin_directory}/stowaged", "--config", node.config_file], check=False, seconds=20)
    expect(refused.returncode != 0, f"stowaged started with a database of version {version}")
    expect_in(database, refused.stderr, "message about the database")
    if version > SCHEMA_VERSION:
        expect_in("written by a newer Stowage", refused.stderr, "message about the database")
    expect_equal(run(["sqlite3", database, ".dump"]).stdout, content, "the database after it was refused")
    expect_equal(sorted(os.listdir(node.state)), directories, "the state directory after its database was refused")
    _exec(node, f"refused-{version}", "hello")
    _set_user_version(database, SCHEMA_VERSION)
    _start_stowaged(node)
    expect_in("Hello", node.run_container(IMAGE, f"database-{version}", "hello").stdout, "with the right version again")


def _database_of_the_version_before(node):
    """Rows and containers stay when the tables are those of the version before."""
    node.stop_daemon("stowaged")
    database = f"{node.state}/stowage.db"
    rows = run(["sqlite3", database, ROWS]).stdout
    expect_equal(len(rows.splitlines()), 2, f"snapshots of the image and of the container: {rows}")
    run(["sqlite3", database, "DROP INDEX layers_to_hash; ALTER TABLE layers DROP COLUMN recorded_by; "
                              f"PRAGMA user_version={SCHEMA_VERSION - 1}"])
    _start_stowaged(node)
    expect_equal(run(["sqlite3", database, ROWS]).stdout, rows, "snapshots after the database was brought to this version")
    expect_equal(run(["sqlite3", database, "PRAGMA user_version"]).stdout, f"{SCHEMA_VERSION}\n", "version of the database")
    _exec(node, "upgraded", "hello")
    expect_in("Hello", node.run_container(IMAGE, "after-upgrade", "hello").stdout, "a new container")


def _start_stowaged(node):
    node.start_stowaged()
    node.await_snapshotter()


def _set_user_version(database, version):
    run(["sqlite3", database, f"PRAGMA user_version={version}"])


def _index_files(node):
    return sorted(f"{node.state}/{folder}/{name}" for folder in ("objects", "views")
                  for name in os.listdir(f"{node.state}/{folder}"))


def _version(path):
    with open(path, "rb") as file:
        return HEADER.unpack(file.read(HEADER.size))[1]


def _set_version(path, version):
    """Puts another file in its place: nothing writes into index files."""
    with open(path, "rb") as file:
        content = file.read()
    fields = list(HEADER.unpack(content[:HEADER.size]))
    fields[1] = version
    fields[-1] = _crc32c(HEADER.pack(*fields)[:-4])
    with open(f"{path}.other", "wb") as file:
        file.write(HEADER.pack(*fields) + content[HEADER.size:])
    os.rename(f"{path}.other", path)


def _set_stamp(node, version):
    path = f"{node.state}/boot_id"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed = re.sub(r"index version \d+", f"index version {version}", text)
    expect(changed != text, f"no version in {path}: {text}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)


def _crc32c(data):
    """Castagnoli's, as base/crc32c.h."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def _replace_worker(node):
    keeper = node.processes["stowage-fuse"].pid
    old = run(["pgrep", "--parent", str(keeper)]).stdout.split()
    expect_equal(len(old), 1, "workers of the keeper")
    run(["kill", "-KILL", *old])

    def replaced():
        new = run(["pgrep", "--parent", str(keeper)], check=False).stdout.split()
        return new and new != old
    wait_until(replaced, 10, "a new worker")


def _exec(node, identifier, *command):
    node.ctr("tasks", "exec", "--exec-id", identifier, "running", *command)
