"""A container as an ordinary user writes /tmp and /var/tmp, and nothing else."""

from commands import expect, expect_equal, expect_in


def main(case):
    node = case.started_node()
    node.stowage("pull", "nix/shell", seconds=120)
    as_user = ("--user", "1000:1000")
    output = node.run_container(
        "nix/shell:latest", "user", "bash", "-ec",
        "id -u; stat -c '%a %n' /tmp /var/tmp; echo text > /tmp/mine; cat /tmp/mine; echo text > /var/tmp/mine",
        flags=as_user).stdout
    expect_equal(output.split("\n")[:4], ["1000", "1777 /tmp", "1777 /var/tmp", "text"], "output")
    for place in ("/mine", "/etc/mine", "/nix/store/mine"):
        refused = node.run_container("nix/shell:latest", "refused", "bash", "-c", f"echo text > {place}",
                                     flags=as_user, check=False)
        expect(refused.returncode != 0, f"user 1000 could write {place}")
        expect_in("denied", refused.stdout + refused.stderr, f"writing {place} as user 1000")
