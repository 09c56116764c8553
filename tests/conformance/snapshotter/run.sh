#!/bin/sh
# Runs containerd's snapshotter suite (Debian: golang-go, golang-github-containerd-containerd-dev) against our server.
# usage: run.sh SNAPSHOTTER_SERVER fuse|overlay. Exit 77: something it needs is not there.
set -eu
server=$1
driver=$2
here=$(cd "$(dirname "$0")" && pwd)
gocode=/usr/share/gocode

skip() {
  echo "skipped: $1"
  exit 77
}
[ "$(id -u)" = 0 ] || skip "not root: the suite mounts"
command -v go >/dev/null || skip "no go: apt-get install golang-go"
[ -d $gocode/src/github.com/containerd/containerd/snapshots/testsuite ] ||
  skip "no containerd sources: apt-get install golang-github-containerd-containerd-dev"

work=$(mktemp -d)
pid=
finish() {
  # The server ends with its standard input.
  exec 3>&- || true
  [ -z "$pid" ] || wait "$pid" || true
  rm -rf "$work"
}
trap finish EXIT

mkdir -p "$work/src/conformance" "$work/tmp"
cp "$here/suite_test.go" "$work/src/conformance/"
(cd "$work/src/conformance" &&
  GO111MODULE=off GOFLAGS= GOPATH="$work:$gocode" GOCACHE="${GOCACHE:-$work/cache}" go test -c -o "$work/suite" .)

mkfifo "$work/stdin"
"$server" "$work/socket" "$work/state" "$driver" <"$work/stdin" &
pid=$!
exec 3>"$work/stdin"
for _ in $(seq 100); do
  [ -S "$work/socket" ] && break
  sleep 0.1
done
[ -S "$work/socket" ] || {
  echo "the server did not start"
  exit 1
}

# Without -test.root the suite skips itself and says PASS.
TMPDIR="$work/tmp" "$work/suite" -addr "$work/socket" -test.root -test.v >"$work/log" 2>&1 || failed=$?
cat "$work/log"
passed=$(grep -c '^    --- PASS' "$work/log" || true)
echo "passed: $passed"
# 20 in containerd 1.6.20; a suite that ran nothing must not count as success.
[ -z "${failed:-}" ] && [ "$passed" -ge 20 ]
