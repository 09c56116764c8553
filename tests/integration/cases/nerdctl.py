"""With an installed nerdctl, images behave as docs/compatibility.md says of its requests, with every containerd."""

import matrix
from fetch_containerd import SUITES


def main(case):
    case.need_program("nerdctl")
    for suite in SUITES:
        matrix.run_nerdctl(case, suite)
