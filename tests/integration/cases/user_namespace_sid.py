"""Containers in user namespaces see their image as root's, with the containerd of Debian's sid."""

from user_namespace import run_case


def main(case):
    run_case(case, "sid")
