#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is missing, builds with warnings as errors, and passes the tests. `./test.sh --slow` runs the slow ones too,
# `./test.sh NAME…` only the test programs whose names match. Ends with one line: N passed, N failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/resources/setup.sh"

slow=
preset=dev
names=()
while [ $# -gt 0 ]; do
    case $1 in
    --slow) slow=1 ;;
    --preset) preset=$2; shift ;;
    -h | --help)
        printf 'usage: ./test.sh [--slow] [--preset dev|release|asan|tsan] [name…]\n'
        exit 0
        ;;
    *) names+=("$1") ;;
    esac
    shift
done

install_missing "${build_packages[@]}" "${test_packages[@]}" ${slow:+"${fuzz_packages[@]}"}
build_preset "$preset" all

options=(--test-dir "build/$preset" --no-tests=error --output-on-failure)
[ -n "$slow" ] || options+=(--label-exclude slow)
[ ${#names[@]} -eq 0 ] || options+=(--tests-regex "$(IFS='|'; echo "${names[*]}")")

cd "$retoscope_root"
log=build/$preset/Testing/retoscope.log
mkdir -p "$(dirname "$log")"
status=0
ctest "${options[@]}" --verbose >"$log" 2>&1 || status=$?

# Failures in full, successes in a line each; the totals are those of the Qt Test functions.
grep -E '^[0-9]+: (FAIL!|XPASS|QFATAL)' -A 6 "$log" || true
grep -E '^ *[0-9]+/[0-9]+ Test' "$log" || true
read -r passed failed skipped <<<"$(awk '/^[0-9]+: Totals:/ { p += $3; f += $5; s += $7 } END { print p + 0, f + 0, s + 0 }' "$log")"
# A test program that crashed or timed out prints no totals: count it as one failure.
crashed=$(grep -cE '\*\*\*(Timeout|Exception|Not Run)' "$log" || true)
failed=$((failed + crashed))
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    tail -40 "$log"
    failed=1
fi
printf 'log: %s (%d skipped)\n' "$log" "$skipped"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
