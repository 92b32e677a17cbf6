#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run_fuzz.sh TARGET SEEDS: runs a fuzz target for RETOSCOPE_FUZZ_SECONDS (120) on its seeds and on what it has found before
# (RETOSCOPE_FUZZ_CORPUS, a folder per target, if set). The file of a crash stays in the build folder; mend the reader, then
# keep the file among the seeds.
set -euo pipefail
target=$1 seeds=$2
name=$(basename "$target")
found=${RETOSCOPE_FUZZ_CORPUS:+$RETOSCOPE_FUZZ_CORPUS/$name}
if [ -z "$found" ]; then
    found=$(mktemp -d)
    trap 'rm -rf "$found"' EXIT
fi
mkdir -p "$found"
log=$(dirname "$target")/$name.log
status=0
"$target" -max_total_time="${RETOSCOPE_FUZZ_SECONDS:-120}" -rss_limit_mb=2048 -timeout=10 -max_len=65536 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$(dirname "$target")/$name-" "$found" "$seeds" >"$log" 2>&1 || status=$?
grep -E 'stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)' "$log" || true
if [ "$status" -ne 0 ]; then
    tail -60 "$log"
    printf 'FAIL!  : %s crashed; its input is beside the program.\nTotals: 0 passed, 1 failed, 0 skipped\n' "$name"
    exit 1
fi
printf 'Totals: 1 passed, 0 failed, 0 skipped\n'
