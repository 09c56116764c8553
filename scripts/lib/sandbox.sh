# shellcheck shell=bash
# Runs a command in mount and PID namespaces of its own, so that whatever it does, nothing of it stays: its processes
# end and its mounts vanish with it. Source it after common.sh.

# run_in_sandbox COMMAND...: runs it with STOWAGE_SCRATCH naming an empty directory of its own, which is removed
# afterwards, also when this script is interrupted. Returns the command's exit status. See sandbox_init for what else it
# finds.
run_in_sandbox() {
  local status=0
  sandbox_scratch=$(mktemp -d "${TMPDIR:-/tmp}/stowage.XXXXXX")
  chmod 711 "$sandbox_scratch" # the root of a container in a user namespace goes through it
  trap end_sandbox EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # In the background since bash puts its traps off until a foreground command ends; a session of its own so that one
  # signal reaches all of it. Should this script be killed, `unshare` dies, and with it everything (--kill-child).
  setsid setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation unchanged \
    python3 "${root_dir:?}/scripts/lib/private_mounts.py" "$sandbox_scratch" \
    "$root_dir/scripts/lib/sandbox_init" "$sandbox_scratch" "$@" <&0 &
  sandbox_pid=$!
  wait "$sandbox_pid" || status=$?
  end_sandbox
  trap - EXIT INT TERM HUP
  return "$status"
}

# Ends the sandbox if it runs, and removes its directory. Mounts in it cannot be seen from here.
end_sandbox() {
  local deadline=$((SECONDS + 10))
  kill -TERM -- "-$sandbox_pid" 2>/dev/null || true
  while kill -0 -- "-$sandbox_pid" 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || kill -KILL -- "-$sandbox_pid" 2>/dev/null || true
    sleep 0.1
  done
  wait "$sandbox_pid" 2>/dev/null || true
  rm -rf --one-file-system "$sandbox_scratch"
}
