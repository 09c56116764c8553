"""Running programs with a deadline, waiting with a deadline, and the two ways a case ends early."""

import subprocess
import time


class Failure(Exception):
    """What the case promises does not hold."""


class Skip(Exception):
    """This machine cannot run the case."""


def run(command, seconds=60, check=True, **options):
    """Runs a program; returns its CompletedProcess with text output, stderr apart.

    check: a failing program is a Failure that shows its output. Options go to subprocess.run.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds,
                              check=False, **options)
    except subprocess.TimeoutExpired as expired:
        output = b"".join(stream for stream in (expired.stdout, expired.stderr) if stream)
        raise Failure(f"{_words(command)}: not done after {seconds} s\n{output.decode(errors='replace')}") from None
    if check and done.returncode != 0:
        raise Failure(f"{_words(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(condition, seconds, what):
    """Polls until condition() is true and returns its value; a Failure naming `what` if it never is."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not so after {seconds} s")
        time.sleep(0.05)


def is_mounted(path, pid="self"):
    """Whether a process has a mount at exactly this place, alive or dead: os.path.ismount says no of a dead FUSE mount."""
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as mountinfo:
        return any(line.split()[4] == path for line in mountinfo)


def expect(condition, message):
    """A Failure with the message unless the condition holds."""
    if not condition:
        raise Failure(message)


def expect_equal(got, want, what):
    """A Failure showing both unless they are equal."""
    expect(got == want, f"{what}: got {got!r}, want {want!r}")


def expect_in(part, text, what):
    """A Failure showing the text unless it contains the part."""
    expect(part in text, f"{what}: {part!r} is not in:\n{text}")


def _words(command):
    return " ".join(map(str, command))
