# shellcheck shell=bash
# What every script uses: messages, root, packages, the build. Source it; it changes nothing by itself.

root_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say() { printf '==> %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

require_root() {
  [ "$(id -u)" = 0 ] || fail "$1 mounts and starts containerd: run it as root (sudo $1)"
}

# retry TIMES COMMAND...: until it succeeds; for mirrors, which have bad moments.
retry() {
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 5
  done
}

# missing_packages LIST...: those of scripts/packages/LIST.txt that are not installed, one a line.
missing_packages() {
  local list name
  for list in "$@"; do
    while read -r name _; do
      case $name in '' | '#'*) continue ;; esac
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
    done < "$root_dir/scripts/packages/$list.txt"
  done
}

# install_packages LIST...: installs what is missing of the lists; nothing it installs is started.
install_packages() {
  local listed missing policy=/usr/sbin/policy-rc.d had_policy=yes status=0
  listed=$(missing_packages "$@") # no process substitution: a bare chroot has no /dev/fd
  [ -n "$listed" ] || return 0
  mapfile -t missing <<< "$listed"
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  retry 3 apt-get update -qq || fail "apt-get update failed: see its message above"
  if [ ! -e $policy ]; then
    had_policy=no
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod +x $policy
  fi
  retry 3 apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" > /dev/null || status=$?
  [ $had_policy = yes ] || rm -f $policy
  [ $status = 0 ] || fail "apt-get install failed: see its message above"
}

# build_preset PRESET [CMAKE-TARGET...]: configures and builds into build/PRESET.
build_preset() {
  local preset=$1 log=$root_dir/build/$1.log
  shift
  mkdir -p "$root_dir/build"
  say "Building ($preset preset, log in ${log#"$root_dir"/})"
  {
    (cd "$root_dir" && cmake --preset "$preset") &&
      cmake --build "$root_dir/build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
  } > "$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "the build failed; the whole log is $log"
  }
}

# make_package_set: build/pkgset, an offline package set made of Debian's packages.
make_package_set() {
  local generator=$root_dir/tests/pkgset made_of
  made_of=$(cat "$generator"/*.py "$generator"/*.toml "$generator"/set/* | sha256sum)
  if [ "$(cat "$root_dir/build/pkgset.made-of" 2>/dev/null)" != "$made_of" ]; then
    say "Preparing the demo package set from Debian's packages (build/pkgset)"
    mkdir -p "$root_dir/build"
    retry 3 python3 "$generator/generate.py" --out "$root_dir/build/pkgset" --cache "$root_dir/build/pkgset-cache" ||
      fail "tests/pkgset/generate.py failed: see its message above"
    echo "$made_of" > "$root_dir/build/pkgset.made-of"
  fi
}
