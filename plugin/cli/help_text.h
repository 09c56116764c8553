#pragma once

namespace stowage {

// What --help says besides the options.

inline constexpr char kProgramHelp[] = "Container images from Nix packages, by name.";
inline constexpr char kProgramFooter[] =
    R"(References: nix/[arm64/][shell/]PACKAGE[/PACKAGE...][:TAG]
  nix/git                  git, from the configured package source
  nix/shell/git/htop       the same with a shell and coreutils, and htop
  nix/python3:nixos-24.11  from a channel, branch or revision

Exit codes: 0 done, 1 failed, 2 wrong usage or reference, 3 no such package, tag or image,
  4 stowaged, containerd or the package source cannot be reached.
  run ends with the exit code of ctr or nerdctl, which is the container's.
With --json an error is {"error": {"code": ..., "message": ...}} on standard output.

Examples:
  stowage pull nix/shell/git
  stowage run --rm -t nix/shell/git git --version
  stowage status --json
  stowage setup containerd --dry-run
  stowage doctor)";

inline constexpr char kCommandFooter[] =
    "--socket, --json and --quiet belong to every command: see 'stowage --help'.\n\n";

inline constexpr char kPullHelp[] =
    "Make an image and put it into containerd, without downloading layers.";
inline constexpr char kPullFooter[] =
    R"(Writes the image under the name given and the canonical one, each as
nix/... (for ctr) and nix.local/... (for nerdctl and Kubernetes; in Kubernetes' namespace k8s.io only
these). Interrupting it does not stop stowaged: the same command joins the work that goes on.

A client that asks for layers without naming their chain ('ctr images pull' of containerd 1) has
containerd unpack a copy of them, which containers of this image then use; pull says so. With
--replace that copy makes place for the Nix store's; layers that were downloaded for it stay until
'ctr content prune references'. Containers that use the copy are named and nothing is changed.

With --lazy an image comes without those store paths that are not there: each is fetched when the
container looks into it, which waits meanwhile, and all of them in the background ('stowage status'
shows how far it is). What cannot be had is an I/O error then. If neither this node nor the Stowage
of images.record_source has a record of the image, it is provisional: made of what a binary cache
says, with an image ID that it has on this node only, until it is pulled again and all of it is
there.

Examples:
  stowage pull nix/shell/git
  stowage pull -n k8s.io nix/redis:nixos-24.11
  stowage pull --quiet nix/git && ctr run --rm --snapshotter stowage nix/git:latest g git --version)";

inline constexpr char kRunHelp[] = "Pull an image and run it with nerdctl or ctr.";
inline constexpr char kRunUsage[] =
    "Usage: stowage run [OPTION | RUNNER-FLAG]... REF [COMMAND [ARG]...]\n"
    "       stowage run [OPTION | RUNNER-FLAG]... REF -- RUNNER-WORD... [-- COMMAND [ARG]...]";
inline constexpr char kRunFooter[] =
    R"(Flags before REF that are not listed here go to 'nerdctl run' or 'ctr run' as they are; what follows
REF is the container's command. A flag that neither of them has is passed as --flag=value, or between
'REF --' and the next '--', where nothing is looked at. The command that is executed is printed on
standard error. ctr needs no -i, and gets none.

Examples:
  stowage run --rm -t nix/shell/git
  stowage run --rm nix/git git --version
  stowage run --with ctr --id build1 --net-host --env A=B nix/shell/curl curl example.org
  stowage run nix/git -- --rm --new-flag 1 -- git log -- file)";

inline constexpr char kResolveHelp[] =
    "Make an image in stowaged and describe it; containerd is not needed.";
inline constexpr char kResolveFooter[] = R"(Examples:
  stowage resolve nix/shell/git
  stowage resolve --json nix/git | jq -r .manifest_digest)";

inline constexpr char kInspectHelp[] =
    "Describe an image that was resolved before; never runs Nix.";
inline constexpr char kInspectFooter[] = R"(Examples:
  stowage inspect nix/shell/git
  stowage inspect --layers nix/shell/git)";

inline constexpr char kStatusHelp[] =
    "Say what stowaged serves, and where, and what it is still fetching.";
inline constexpr char kStatusFooter[] = R"(Examples:
  stowage status
  stowage status --json | jq -e .fuse_mounted)";

inline constexpr char kSetupHelp[] = "Write the configuration of programs that use stowaged.";
inline constexpr char kSetupFooter[] = "See 'stowage setup containerd --help'.";

inline constexpr char kSetupContainerdHelp[] =
    "Make containerd know the snapshotter and the registry endpoint of stowaged.";
inline constexpr char kSetupContainerdFooter[] =
    R"(Writes what this version of containerd needs: conf.d/stowage.toml beside config.toml and a line
in config.toml that imports it; or keys in config.toml, where containerd would otherwise drop tables
of it; and hosts.toml files for the hosts nix and nix.local, whose names no other registry is ever
asked for. All else stays as it is. A file that is replaced is kept as FILE.before-stowage. What
cannot be edited safely is left alone and printed. Running it again changes nothing. It never
restarts anything.

--short-names: CRI and nerdctl make docker.io/nix/git of nix/git. With the option, every name of
docker.io is asked of stowaged first, which answers for nix/... itself, also when that fails. But
while stowaged is down containerd asks Docker Hub for docker.io/nix/..., where those names may be
anybody's. nix.local/... has no such risk.

Exit code 1: something is left to be done by hand.

Examples:
  stowage setup containerd --dry-run
  stowage setup containerd
  stowage setup containerd --containerd-version 2.1.9 --config /mnt/etc/containerd/config.toml)";

inline constexpr char kDoctorHelp[] =
    "Say what is wrong with this node, and how to repair it; changes nothing.";
inline constexpr char kDoctorFooter[] =
    R"(Looks at containerd's configuration (as 'containerd config dump' shows it), its hosts.toml files,
stowaged, stowage-fuse, Nix and the kernel. Worst first:
  danger   a name of ours can lead to an image of a stranger
  error    something does not work
  warning  something is lost, such as kubelet's view of the disk
  note     nothing to repair
Each has an id that never changes its meaning. Exit code 1: there is more than notes.

Examples:
  stowage doctor
  stowage doctor --json | jq -r '.findings[] | select(.severity == "danger") | .problem')";

}  // namespace stowage
