"""A process of an ordinary user in a container writes /tmp and /var/tmp, and nothing else."""

from commands import expect, expect_equal, expect_in


def main(case):
    node = case.started_node()
    node.stowage("pull", "nix/shell", seconds=120)
    # `ctr run` of containerd 1.6 has no --user, `ctr tasks exec` does
    node.ctr("run", "--detach", "--snapshotter", "stowage", "nix/shell:latest", "shared", "sleep", "1000")

    def as_user(exec_id, command, **options):
        return node.ctr("tasks", "exec", "--user", "1000:1000", "--exec-id", exec_id, "shared", "bash", "-ec", command,
                        **options)

    output = as_user("writes", "id -u; stat -c '%a %n' /tmp /var/tmp; echo text > /tmp/mine; cat /tmp/mine; "
                               "echo text > /var/tmp/mine").stdout
    expect_equal(output.split("\n")[:4], ["1000", "1777 /tmp", "1777 /var/tmp", "text"], "output")
    for number, place in enumerate(("/mine", "/etc/mine", "/nix/store/mine")):
        refused = as_user(f"refused{number}", f"echo text > {place}", check=False)
        expect(refused.returncode != 0, f"user 1000 could write {place}")
        expect_in("denied", refused.stdout + refused.stderr, f"writing {place} as user 1000")
    node.ctr("tasks", "kill", "--signal", "9", "shared")
