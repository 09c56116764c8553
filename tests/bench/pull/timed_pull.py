"""`stowage pull` with the time of each phase."""

import datetime
import os
import subprocess
import time

from commands import Failure, expect

# What the command line prints when a phase begins (plugin/cli/progress_model.cc), and what happens from then on. The daemon
# says "reading closure" when it has the closure, so reading it counts to the phase before.
PHASES = {
    "fetching source": "source",
    "evaluating": "evaluate",
    "building": "realise, read closure",
    "reading closure": "plan, look up layers",
    "hashing layers": "hash",
    "recording": "record",
}
CONNECT, IMPORT = "connect", "import"
ORDER = [CONNECT, *PHASES.values(), IMPORT]
PULL_SECONDS = 300


class Pull:
    """One pull: seconds of all of it, phases {name: seconds}, whether the daemon knew the image."""

    def __init__(self, node, reference):
        log = f"{node.case.logs}/{node.name}-stowaged"
        log_size = os.path.getsize(log)
        start = time.time()
        marks = [(CONNECT, start), *_run(node.stowage_command("pull", reference))]
        end = time.time()
        resolved, self.known = _resolve_finished(log, log_size)
        marks += [(IMPORT, resolved), ("", end)]
        self.seconds = end - start
        self.phases = {name: max(0.0, until - begin) for (name, begin), (_, until) in zip(marks, marks[1:])}


def _run(command):
    """Runs the pull; returns [(phase, when it began)]."""
    marks, lines = [], []
    with subprocess.Popen(["timeout", str(PULL_SECONDS), *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as process:
        for line in process.stderr:
            now = time.time()
            lines.append(line)
            phase = next((PHASES[words] for words in PHASES if line.startswith(words)), None)
            if phase and (not marks or marks[-1][0] != phase):
                marks.append((phase, now))
    if process.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {process.returncode}\n{''.join(lines)}")
    return marks


def _resolve_finished(log, offset):
    """(when, whether the image was known) of the daemon's line about the end of a resolve, the first after offset."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with open(log, encoding="utf-8") as file:
            file.seek(offset)
            for line in file:
                if " resolve_finished " in line and line.endswith("\n"):
                    stamp = datetime.datetime.fromisoformat(line.split()[0])
                    return stamp.timestamp(), " cached=1" in line
        time.sleep(0.01)
    expect(False, f"{log}: no resolve_finished")
    return None
