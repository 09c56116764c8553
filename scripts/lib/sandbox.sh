# shellcheck shell=bash
# Runs a command in mount and PID namespaces of its own, so that whatever it does, nothing of it stays: its processes
# end and its mounts vanish with it. Source it after common.sh.

# run_in_sandbox COMMAND...: runs it with STOWAGE_SCRATCH naming an empty directory of its own, which is removed
# afterwards, also when this script is interrupted. Returns the command's exit status.
run_in_sandbox() {
  local scratch child status=0
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/stowage.XXXXXX")
  # `unshare` ends with this script, and what it started ends with it (--kill-child). It runs in the background since
  # bash would put off the traps until a foreground command ends.
  setpriv --pdeathsig TERM unshare --mount --pid --fork --kill-child --propagation unchanged \
    python3 "${root_dir:?}/scripts/lib/private_mounts.py" "$scratch" \
    "$root_dir/scripts/lib/sandbox_init" "$scratch" "$@" <&0 &
  child=$!
  # shellcheck disable=SC2064 # expanded now on purpose: the names are local
  trap "kill $child 2>/dev/null; wait $child 2>/dev/null; rm -rf --one-file-system '$scratch'" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  wait "$child" || status=$?
  rm -rf --one-file-system "$scratch"
  trap - EXIT INT TERM HUP
  return "$status"
}
