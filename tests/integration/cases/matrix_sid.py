"""With the containerd in Debian sid every client works with every kind of image as docs/compatibility.md says."""

import matrix


def main(case):
    matrix.run_column(case, "sid")
