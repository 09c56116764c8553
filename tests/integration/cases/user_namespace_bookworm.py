"""Containers in user namespaces see their image as root's, with the containerd 1.6 of Debian 12."""

from user_namespace import run_case


def main(case):
    run_case(case, "bookworm")
