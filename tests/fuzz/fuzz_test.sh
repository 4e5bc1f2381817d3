#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz_test.sh TARGET SECONDS: runs one fuzz target from its kept corpus, which it only reads. What libFuzzer finds new, what
# made it fail, and its log stay below TARGET.run/; a failure says how to see it again.
set -euo pipefail
target=$(realpath "$1")
seconds=$2
here=$(dirname "$(realpath "$0")")
name=$(basename "$target" | sed 's/^fuzz_//')
corpus=$here/corpus/$name

# The longest input: what the surface can need, and no more, because the search gets slower with it.
case $name in
  config | web_config) longest=2048 ;;
  keys) longest=300 ;;
  status) longest=2048 ;;
  fanotify | http | inotify | routes) longest=1024 ;;
  *) longest=512 ;;
esac

run=$target.run
rm -rf "$run"
mkdir -p "$run/corpus" "$run/found"
[ -n "$(ls -A "$corpus")" ] || {
  echo "there is no corpus in $corpus"
  exit 1
}
options=(-max_total_time="$seconds" -max_len="$longest" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1
  -artifact_prefix="$run/found/")
[ ! -e "$here/dictionary/$name.txt" ] || options+=(-dict="$here/dictionary/$name.txt")
# ASan would keep freed memory up to 256 MiB, far longer than one input can use it wrongly.
export ASAN_OPTIONS=quarantine_size_mb=16:${ASAN_OPTIONS-}

# Niced: other tests wait for things to happen. What is new goes to the first directory only.
status=0
nice -n 10 "$target" "${options[@]}" "$run/corpus" "$corpus" >"$run/log" 2>&1 || status=$?
grep -aE '(INITED|DONE) |^stat::' "$run/log" || true
if [ $status -ne 0 ]; then
  tail -n 60 "$run/log"
  for input in "$run"/found/*; do
    printf 'to see it again: %q %q\n' "$target" "$input"
  done
fi
exit $status
