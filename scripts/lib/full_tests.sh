# shellcheck shell=bash
# What ./scripts/test --full adds. Source it after common.sh and run_tests.sh.

fuzz_seconds=${STOWAGE_FUZZ_SECONDS:-600} # for each target

run_full_tests() {
  local preset target
  for preset in asan-ubsan tsan; do
    build_preset "$preset"
    run_tests "$preset" -L unit
  done
  if [ -e "${root_dir:?}/tests/fuzz/CMakeLists.txt" ]; then
    build_preset fuzz
    for target in "$root_dir"/build/fuzz/bin/*_fuzz; do
      run_check "${target##*/} for $fuzz_seconds s" fuzz_target "$target"
    done
  fi
  # The same, in a Debian with nothing but git and a shell: this one and the next.
  for suite in bookworm trixie; do
    run_check "./scripts/quickstart in a clean $suite" in_clean_chroot "$suite" ./scripts/quickstart
    run_check "./scripts/test in a clean $suite" in_clean_chroot "$suite" ./scripts/test
  done
}

fuzz_target() {
  local corpus=$root_dir/build/fuzz/corpus/${1##*/}
  mkdir -p "$corpus"
  "$1" -max_total_time="$fuzz_seconds" -print_final_stats=1 "$corpus"
}

in_clean_chroot() {
  "$root_dir/scripts/clean-chroot" "$root_dir/build/chroot-$1" --suite "$1" "${@:2}"
}
