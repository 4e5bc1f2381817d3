#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang_tidy_test.sh SCRATCH_DIR: clang-tidy reports nothing in the sources. Tests are excluded: Catch2's macros make it slow
# and cause most reports.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$1
# Checks differ between versions: Debian 12's is authoritative.
version=$(clang-tidy --version 2>/dev/null | grep -oE 'version [0-9]+' || echo "none")
if [ "$version" != "version 14" ]; then
  echo "SKIP: wants clang-tidy 14, found $version"
  exit 77
fi
# Most of its time is spent in library headers, so it gets several sources together: those of a unity build that is never built.
# Sources are then included files, which the header filter lets through.
cmake -S . -B "$scratch" -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_UNITY_BUILD=ON -DNSWARDEN_TESTS=OFF >/dev/null
# The suspicious include of a .cpp file is the unity build itself. Niced: it is the one long computation among tests that wait
# for events.
find "$scratch" -name 'unity_*.cxx' -print0 |
  nice -n 10 xargs -0 -n 1 -P "${TIDY_JOBS:-2}" clang-tidy --quiet --checks=-bugprone-suspicious-include -p "$scratch" >"$scratch/clang-tidy.log" 2>&1 || true
[ "$(find "$scratch" -name 'unity_*.cxx' | wc -l)" -gt 3 ] || { echo "no unity sources in $scratch"; exit 1; }
if grep -E 'warning:|error:|Error ' "$scratch/clang-tidy.log" | sort -u | grep .; then
  echo "the whole of it: $scratch/clang-tidy.log"
  exit 1
fi
