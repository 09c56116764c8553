# shellcheck shell=bash
# A private node: containerd, stowaged and stowage-fuse below $STOWAGE_SCRATCH. For use inside the sandbox (sandbox.sh),
# which ends them. Source it after common.sh.

scratch=${STOWAGE_SCRATCH:?node.sh works inside the sandbox only}
bin_dir=${root_dir:?}/build/release/bin

# wait_for SECONDS WHAT LOG COMMAND...: until the command succeeds; then fails with WHAT and the end of the log.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2 log=$3
  shift 3
  until "$@" > /dev/null 2>&1; do
    if [ $SECONDS -ge $deadline ]; then
      tail -n 20 "$log" >&2
      fail "$what; its log is above"
    fi
    sleep 0.05
  done
}

# fill_in TEMPLATE NAME=VALUE...: prints scripts/lib/TEMPLATE with @NAME@ replaced.
fill_in() {
  local text assignment
  text=$(cat "$root_dir/scripts/lib/$1")
  shift
  for assignment in "SCRATCH=$scratch" "NAMESPACE=$STOWAGE_NAMESPACE" "$@"; do
    text=${text//"@${assignment%%=*}@"/${assignment#*=}}
  done
  printf '%s\n' "$text"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

is_mounted() { awk -v path="$1" '$5 == path { found = 1 } END { exit !found }' /proc/self/mountinfo; }

# start_node SOURCE-KIND LOCATION NIX-SETTINGS: the three daemons; $registry is the endpoint's address afterwards.
# NIX-SETTINGS: quoted texts, separated by commas.
# shellcheck disable=SC2034 # registry is for the caller
start_node() {
  local port
  port=$(free_port)
  registry=127.0.0.1:$port
  mkdir -p "$scratch/fs" "$scratch/state" "$scratch/logs"
  nix-store --init # on a fresh machine Nix has not made /nix/store yet
  fill_in containerd.toml > "$scratch/containerd.toml"
  fill_in stowage.toml "PORT=$port" "SOURCE_KIND=$1" "SOURCE_LOCATION=$2" "NIX_SETTINGS=$3" > "$scratch/stowage.toml"

  "$bin_dir/stowage-fuse" --state "$scratch/state" --mountpoint "$scratch/fs" > "$scratch/logs/stowage-fuse" 2>&1 &
  wait_for 10 "stowage-fuse did not mount $scratch/fs" "$scratch/logs/stowage-fuse" is_mounted "$scratch/fs"
  "$bin_dir/stowaged" --config "$scratch/stowage.toml" > "$scratch/logs/stowaged" 2>&1 &
  wait_for 10 "stowaged does not answer on $scratch/control.sock" "$scratch/logs/stowaged" \
    test -S "$scratch/control.sock" -a -S "$scratch/snapshotter.sock"
  containerd --config "$scratch/containerd.toml" > "$scratch/logs/containerd" 2>&1 &
  wait_for 20 "containerd does not answer on $scratch/containerd.sock" "$scratch/logs/containerd" \
    ctr --address "$scratch/containerd.sock" version
}
