#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz_test.sh TARGET MAX_LEN SECONDS: runs one fuzz target from its kept corpus, which it only reads. What libFuzzer finds new
# and what made it fail stay below TARGET.run/, and a failure says how to see it again.
set -euo pipefail
target=$(realpath "$1")
max_len=$2
seconds=$3
here=$(dirname "$(realpath "$0")")
name=$(basename "$target" | sed 's/^fuzz_//')

run=$target.run
rm -rf "$run"
mkdir -p "$run/corpus" "$run/found"
options=(-max_total_time="$seconds" -max_len="$max_len" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
  -artifact_prefix="$run/found/")
[ ! -e "$here/dictionary/$name.txt" ] || options+=(-dict="$here/dictionary/$name.txt")
[ -n "$(ls -A "$here/corpus/$name")" ] || {
  echo "there is no corpus in $here/corpus/$name"
  exit 1
}

# A smaller quarantine than ASan's own keeps freed memory about as long as one input takes.
export ASAN_OPTIONS=quarantine_size_mb=16:${ASAN_OPTIONS-}
# libFuzzer writes what is new to the first directory only.
status=0
"$target" "${options[@]}" "$run/corpus" "$here/corpus/$name" >"$run/log" 2>&1 || status=$?
grep -aE 'INITED|DONE|^stat::' "$run/log" || true
[ $status -eq 0 ] || {
  tail -n 60 "$run/log"
  for input in "$run"/found/*; do
    printf 'to see it again: %q %q\n' "$target" "$input"
  done
}
exit $status
