"""reader.py DIRECTORY NAME: what a container does in the chaos test, without pause, until DIRECTORY/stop is there.

Reads, maps, executes and writes, looks up names and lists directories, each in a thread of its own, and compares all it
sees with DIRECTORY/expected.json: {"files": {path: sha256}, "directories": {path: names}, "programs": {path: output},
"appended": [path]}. NAME.json there has the figures {operations: {kind: count}, longest_s, longest_of, errors: [text]},
written anew every second.
"""

import hashlib
import itertools
import json
import mmap
import os
import random
import subprocess
import sys
import threading
import time

PIECE = b"written in the container\n"


class Reader:
    """Threads add to the figures; the lock is for them."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        with open(f"{directory}/expected.json", encoding="utf-8") as file:
            self.expected = json.load(file)
        self.files = sorted(self.expected["files"])
        self.own = f"/written-by-{name}"
        self.lock = threading.Lock()
        self.figures = {"operations": {}, "longest_s": 0.0, "longest_of": "", "errors": []}
        os.mkdir(self.own)

    def work(self, operation, seed):
        """Does one operation again and again."""
        choice = random.Random(seed)
        while not os.path.exists(f"{self.directory}/stop"):
            begin, error, what = time.monotonic(), None, operation.__name__
            try:
                what = operation(choice)
            except (OSError, ValueError, AssertionError, subprocess.SubprocessError) as failure:
                error = f"{operation.__name__}: {type(failure).__name__}: {failure}"
            took = time.monotonic() - begin
            with self.lock:
                count = self.figures["operations"]
                count[operation.__name__] = count.get(operation.__name__, 0) + 1
                if took > self.figures["longest_s"]:
                    self.figures.update(longest_s=took, longest_of=f"{operation.__name__} {what}")
                if error and len(self.figures["errors"]) < 100:
                    self.figures["errors"].append(error)

    def report(self):
        with self.lock:
            text = json.dumps(self.figures)
        with open(f"{self.directory}/.{self.name}", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(f"{self.directory}/.{self.name}", f"{self.directory}/{self.name}.json")

    # --- operations; each returns what it was done to

    def read(self, choice):
        path = choice.choice(self.files)
        with _uncached(path) as file:
            self._compare(path, file.read())
        return path

    def map(self, choice):
        path = choice.choice(self.files)
        with _uncached(path) as file:
            if os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                    self._compare(path, mapped)
        return path

    def execute(self, choice):
        path, want = choice.choice(sorted(self.expected["programs"].items()))
        _uncached(path).close()
        done = subprocess.run([path], capture_output=True, check=False, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout.decode()) == (0, want), f"{path}: {done}"
        return path

    def look_up(self, choice):
        path = choice.choice(sorted(self.expected["directories"]))
        missing = f"{path}/no-{choice.getrandbits(64):x}"
        assert not os.path.lexists(missing), f"{missing} is there"
        names = sorted(os.listdir(path))
        assert names == self.expected["directories"][path], f"{path} has {names}"
        return path

    def write(self, choice):
        """A file of its own, and a file of a layer below, which overlayfs copies up first."""
        path, content = f"{self.own}/{choice.randrange(8)}", choice.randbytes(choice.randrange(1 << 16))
        with open(f"{path}.new", "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        os.rename(f"{path}.new", path)
        with _uncached(path) as file:
            assert file.read() == content, f"{path} is not what was written"
        if self.expected["appended"]:
            path = self.expected["appended"].pop()
            with open(path, "rb") as file:
                before = file.read()
            with open(path, "ab") as file:
                file.write(PIECE)
            with open(path, "rb") as file:
                assert file.read() == before + PIECE, f"{path} is not what was appended"
        return path

    def _compare(self, path, content):
        found = hashlib.sha256(content).hexdigest()
        assert found == self.expected["files"][path], f"{path} has other bytes: sha256 {found}"


def _uncached(path):
    """An open file whose pages are not in the page cache, but for those that somebody has mapped."""
    file = open(path, "rb", buffering=0)
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return file


def main():
    reader = Reader(*sys.argv[1:])
    operations = [reader.read, reader.map, reader.execute, reader.look_up, reader.write]
    seeds = itertools.count()
    threads = [threading.Thread(target=reader.work, args=(operation, next(seeds)), daemon=True)
               for operation in operations]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        reader.report()
        time.sleep(1)
    reader.report()


if __name__ == "__main__":
    main()
