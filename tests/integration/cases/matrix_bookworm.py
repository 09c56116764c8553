"""With Debian 12's containerd every client works with every kind of image as docs/compatibility.md says."""

import matrix


def main(case):
    matrix.run_column(case, "bookworm")
