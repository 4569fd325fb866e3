#!/bin/sh
# Runs the core's unit and stress tests under ThreadSanitizer, then under AddressSanitizer, on the stable toolchain.
# Prints a row of a Markdown table for each run; what the tests and sanitizers say goes to files beside the build.
# Ends with 1 if a test fails or a sanitizer reports anything outside tools/tsan.supp.
# TAPELOOM_STRESS says how many rounds each stress scenario runs.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd)
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-$root/target}
export TAPELOOM_STRESS="${TAPELOOM_STRESS:-40}"
export TSAN_OPTIONS="suppressions=$root/tools/tsan.supp print_suppressions=1"
export RUSTC_BOOTSTRAP=1
failed=0

run() { # sanitizer, name, arguments of cargo test
  sanitizer=$1 name=$2
  shift 2
  log="$target/$sanitizer-$name.log"
  cargo test -q -p tapeloom-core "$@" --target "$host" --target-dir "$target/$sanitizer" --no-run
  began=$(date +%s)
  status=ok
  # One test after the other: the threads are inside the tests.
  cargo test -q -p tapeloom-core "$@" --target "$host" --target-dir "$target/$sanitizer" -- \
    --test-threads=1 >"$log" 2>&1 || { status="**FAILED**, see $(basename "$log")"; failed=1; }
  seconds=$(($(date +%s) - began))
  passed=$(sed -n 's/^test result: .* \([0-9]*\) passed.*/\1/p' "$log" | head -n 1)
  reports=$(grep -cE 'WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer' "$log" || true)
  rounds=1
  if [ "$name" = stress ]; then rounds=$TAPELOOM_STRESS; fi
  echo "| $(date -u +%F) | $sanitizer | $name | $rounds | ${passed:-0} | $reports | $seconds | $status |"
}

echo "| date | sanitizer | tests | rounds | passed | reports | seconds | |"
echo "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
for sanitizer in thread address; do
  export RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer"
  run "$sanitizer" unit --lib
  run "$sanitizer" stress --test stress
done
exit "$failed"
