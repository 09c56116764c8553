"""With the containerd in Debian bookworm no name of ours reaches a registry of others."""

import stranger


def main(case):
    stranger.check(case, "bookworm")
