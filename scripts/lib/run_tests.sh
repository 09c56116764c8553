# shellcheck shell=bash
# Runs ctest and adds up what came out over several runs. Source it after common.sh and sandbox.sh.

tests_passed=0 tests_failed=0 tests_skipped=0
test_results=() # JUnit files whose failures finish_tests shows

# run_tests PRESET [CTEST-ARGUMENT...]: runs the tests of build/PRESET; a failure is counted, not returned.
run_tests() {
  local preset=$1 results=${root_dir:?}/build/$1/test-results.xml status=0
  shift
  say "Testing ($preset preset)"
  rm -f "$results"
  test_results+=("$results")
  # A bare chroot has no /proc and no pseudo-terminals, which programs, kernel interfaces and Nix are tested with.
  local sandbox=()
  if [ ! -e /proc/self ] || [ ! -c /dev/pts/ptmx ]; then sandbox=(run_in_sandbox); fi
  "${sandbox[@]}" ctest --test-dir "$root_dir/build/$preset" --output-on-failure --parallel "$(nproc)" --no-tests=error \
    --output-junit "$results" "$@" || status=$?
  count_results "$results" "$status"
}

# run_check NAME COMMAND...: one more test that is not ctest's.
run_check() {
  local name=$1
  shift
  say "Checking: $name"
  if "$@"; then
    tests_passed=$((tests_passed + 1))
  else
    tests_failed=$((tests_failed + 1))
    say "FAILED: $name"
  fi
}

# count_results FILE STATUS: ctest's JUnit file opens with <testsuite ... tests="N" failures="N" disabled="N" skipped="N">.
# Of the skipped ones, those that did not skip themselves could not be started: they failed.
count_results() {
  local total failed not_run skipped
  total=$(junit_count "$1" tests) failed=$(junit_count "$1" failures)
  not_run=$(($(junit_count "$1" skipped) + $(junit_count "$1" disabled)))
  skipped=$(grep -c '<skipped message="SKIP_' "$1" 2>/dev/null || true)
  failed=$((failed + not_run - ${skipped:-0}))
  # ctest can also fail as a whole, as when it finds no tests
  if [ "$2" != 0 ] && [ "$failed" = 0 ]; then failed=1 total=$((total + 1)); fi
  tests_failed=$((tests_failed + failed))
  tests_skipped=$((tests_skipped + ${skipped:-0}))
  tests_passed=$((tests_passed + total - failed - ${skipped:-0}))
}

junit_count() {
  local value
  value=$(sed -n "/<testsuite/,/>/s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p" "$1" 2>/dev/null | head -n 1)
  echo "${value:-0}"
}

# finish_tests: shows once more what failed and prints the sum as the last line; fails if anything failed.
finish_tests() {
  local skipped=''
  [ $tests_failed = 0 ] || python3 -B "${root_dir:?}/scripts/lib/failed_tests.py" "${test_results[@]}"
  [ $tests_skipped = 0 ] || skipped=", $tests_skipped skipped"
  printf '%d passed, %d failed%s\n' $tests_passed $tests_failed "$skipped"
  [ $tests_failed = 0 ]
}
