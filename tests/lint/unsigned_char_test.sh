#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# unsigned_char_test.sh SCRATCH_DIR [CIVETWEB_SOURCE]: g++ accepts the sources without warnings where plain char is unsigned, as on arm64. Tests are
# excluded, because Catch2 is slow to parse; tests/long/arm64 builds and runs the unit tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$1
command -v g++ >/dev/null || { echo "SKIP: wants g++"; exit 77; }
# Parses only, which halves the time of a build. The flags are of a build type, so that CMake's own checks can link. Unity builds, because most of
# the time is spent on the same headers.
cmake -S . -B "$scratch" -G Ninja -DCMAKE_CXX_COMPILER=g++ -DCMAKE_BUILD_TYPE=Parse "-DCMAKE_CXX_FLAGS_PARSE=-funsigned-char -fsyntax-only" \
  -DCMAKE_UNITY_BUILD=ON -DNSWARDEN_TESTS=OFF "-DNSWARDEN_CIVETWEB_SOURCE=${2-}" >/dev/null
mapfile -t objects < <(ninja -C "$scratch" -t targets all | sed -n 's/\(.*_cxx\.cxx\.o\): .*/\1/p')
[ ${#objects[@]} -gt 3 ] || { echo "no unity sources in $scratch"; exit 1; }
# Niced, like clang-tidy.
nice -n 10 ninja -C "$scratch" -k 0 -j "${TIDY_JOBS:-2}" "${objects[@]}" >"$scratch/log" || {
  grep -E 'error:|warning:' "$scratch/log" | sort -u
  echo "the whole of it: $scratch/log"
  exit 1
}
