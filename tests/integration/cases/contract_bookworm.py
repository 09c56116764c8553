"""With Debian 12's containerd mounts, diffs, commits and unusual names are as with its own overlayfs; copies are replaced."""

import contract


def main(case):
    contract.run_column(case, "bookworm")
