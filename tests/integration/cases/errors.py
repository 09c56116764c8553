"""What goes wrong is told to the client that asked, with the name and Nix's reason."""

from commands import expect, expect_equal, expect_in, run

# reference, exit status of `stowage`, HTTP status, what the message must contain
FAULTS = (
    ("nix/shell/nosuchpackage", 3, 404, ["nosuchpackage"]),
    ("nix/python3packages.nosuch", 3, 404, ["nosuch"]),
    ("nix/hello:nosuchtag", 3, 404, ["nosuchtag"]),
    ("nix/tests.buildfailure", 1, 422, ["build-failure", "exit code 3"]),
    ("nix/tests.needsfailure", 1, 422, ["build-failure"]),
    ("nix/tests.evalthrow", 1, 422, ["gone has been removed, as it was unmaintained"]),
    ("nix/tests.evalabort", 1, 422, ["this aborts"]),
    ("nix/tests.infinite", 1, 422, ["infinite recursion"]),
    ("nix/tests.unfree", 1, 422, ["unfree license"]),
    ("nix/tests.importfromderivation", 1, 422, []),
    ("nix/tests.string", 2, 400, ["tests.string"]),
    ("nix/tests.notaderivation", 2, 400, ["tests.notaderivation"]),
    ("nix/twins.sometool", 2, 400, ["someTool", "SomeTool"]),
)
BAD_NAMES = ("nix//hello", "nix/hello/", "nix/", "nix/hel lo", "nix/../etc", "nix/hello:a b")


def main(case):
    node = case.started_node()
    for reference, status, http_status, wanted in FAULTS:
        refused = node.stowage("pull", reference, check=False, seconds=60)
        expect_equal(refused.returncode, status, f"exit status of stowage pull {reference}: {refused.stderr}")
        for text in wanted:
            expect_in(text, refused.stderr, f"stowage pull {reference}")
        _over_the_endpoint(node, reference.removeprefix("nix/"), http_status, wanted)

    for name in BAD_NAMES:
        refused = node.stowage("resolve", name, check=False)
        expect_equal(refused.returncode, 2, f"exit status of stowage resolve '{name}': {refused.stderr}")
    left = node.ctr("images", "list", "--quiet").stdout
    expect_equal(left, "", "images after failed pulls")

    _set_that_does_not_evaluate(case)


def _over_the_endpoint(node, repository, http_status, wanted):
    """The message in skopeo, the status and reason phrase in ctr."""
    shown = run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{node.registry}/{repository}"],
                check=False)
    expect(shown.returncode != 0, f"skopeo inspect {repository} succeeded")
    for text in wanted:
        expect_in(text, shown.stderr, f"skopeo inspect {repository}")
    tagged = repository if ":" in repository else f"{repository}:latest"
    pulled = node.ctr("images", "pull", "--plain-http", "--snapshotter", "stowage", f"{node.registry}/{tagged}",
                      check=False)
    expect(pulled.returncode != 0, f"ctr images pull {repository} succeeded")
    if http_status == 404:
        expect_in("not found", pulled.stderr, f"ctr images pull {repository}")
    else:
        expect_in(f"{http_status} ", pulled.stderr, f"ctr images pull {repository}")


def _set_that_does_not_evaluate(case):
    broken = case.node(name="broken", package_set=case.set_with("self: super: throw \"this set is broken\""))
    broken.start_fuse()
    broken.start_stowaged()
    refused = broken.stowage("resolve", "nix/hello", check=False)
    expect_equal(refused.returncode, 1, f"exit status with a broken set: {refused.stderr}")
    expect_in("this set is broken", refused.stderr, "stowage resolve with a broken set")
