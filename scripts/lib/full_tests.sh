# shellcheck shell=bash
# What ./scripts/test --full adds. Source it after common.sh and run_tests.sh.

fuzz_seconds=${STOWAGE_FUZZ_SECONDS:-600} # for each target

# Integration cases about stowage-fuse, or that choose the driver themselves.
about_fuse='all_killed|bad_environment|driver_change|neighbouring_versions|overlay_escapes'

run_full_tests() {
  local preset presets=(tsan clang) target suite how
  for how in --driver=fuse --no-resend --driver=passthrough --driver=overlay --driver=auto; do
    run_check "chaos, 100 kills of each process $how" "${root_dir:?}/tests/chaos/run" "$root_dir/build/release/bin" \
      --kills 100 --every-fault-point "$how"
  done
  for target in "${root_dir:?}"/tests/integration/cases/[a-z]*.py; do
    target=$(basename "$target" .py)
    [[ $target =~ ^($about_fuse)$ ]] || run_check "integration:$target:overlay" case_by_overlay "$target"
  done
  build_preset asan-ubsan
  run_tests asan-ubsan
  if [ "$(pkg-config --modversion absl_base)" != 20220623 ]; then
    say "Leaving out the tsan preset, which needs Debian 12's abseil"
    presets=(clang)
  fi
  for preset in "${presets[@]}"; do
    build_preset $preset unit_tests
    run_tests $preset -L unit
  done
  build_preset clang
  build_preset fuzz fuzz_targets
  for target in "${root_dir:?}"/build/fuzz/bin/*_fuzz; do
    run_check "${target##*/} for $fuzz_seconds s" fuzz_target "$target"
  done
  # The same, in a Debian with nothing but git and a shell: this one and the next.
  for suite in bookworm trixie; do
    run_check "./scripts/quickstart in a clean $suite" in_clean_chroot "$suite" ./scripts/quickstart
    run_check "./scripts/test in a clean $suite" in_clean_chroot "$suite" ./scripts/test
  done
}

# case_by_overlay CASE: with the driver "overlay"; the last line says so where this machine cannot run it.
case_by_overlay() {
  local status=0
  "${root_dir:?}/tests/integration/run" "$root_dir/build/release/bin" "$1:overlay" || status=$?
  [ $status = 0 ] || [ $status = 77 ]
}

# fuzz_target PROGRAM: begins with the corpus of the repository and what earlier runs found; new inputs and findings
# (crash-..., timeout-...) go to build/fuzz/.
fuzz_target() {
  local name=${1##*/} found
  name=${name%_fuzz}
  found=$root_dir/build/fuzz/found/$name
  local dictionary=$root_dir/tests/fuzz/dictionaries/$name options=()
  [ ! -e "$dictionary" ] || options=(-dict="$dictionary")
  mkdir -p "$found"
  "$1" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$root_dir/build/fuzz/$name-" "${options[@]}" "$found" "$root_dir/tests/fuzz/corpus/$name"
}

in_clean_chroot() {
  "$root_dir/scripts/clean-chroot" "$root_dir/build/chroot-$1" --suite "$1" "${@:2}"
}
