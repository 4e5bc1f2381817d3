#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every text file of the project has an SPDX line near the top, is ASCII, and has no tabs or trailing blanks.
set -euo pipefail
cd "$(dirname "$0")/../.."
wrong=0
report() {
  [ -z "$2" ] || {
    printf '%s:\n%s\n' "$1" "$2"
    wrong=1
  }
}
mapfile -t files < <(find CMakeLists.txt Dockerfile cmake config include packaging scripts src tests .ci -type f \
  -not -path '*/__pycache__/*' -not -path '*/corpus/*' -not -path '*/data/*' -not -path 'packaging/debian/*'
  find dashboards -type f -not -name '*.json' -not -path '*/__pycache__/*')
report "no SPDX line" "$(awk 'FNR <= 3 && /SPDX-License-Identifier: Apache-2.0/ { has[FILENAME] }
  END { for (i = 1; i < ARGC; ++i) if (!(ARGV[i] in has)) print ARGV[i] }' "${files[@]}")"
report "not ASCII" "$(LC_ALL=C grep -nP '[^\x00-\x7F]' "${files[@]}" || true)"
report "tab" "$(grep -nP '\t' "${files[@]}" || true)"
report "blank at the end of a line" "$(grep -nE ' +$' "${files[@]}" || true)"
exit $wrong
