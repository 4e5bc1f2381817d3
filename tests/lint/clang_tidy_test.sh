#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang_tidy_test.sh BUILD_DIR: clang-tidy finds nothing in our sources. Tests are left to the compilers: their macros make it
# slow, and what it says about them is about Catch2.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
# Each version brings new opinions: Debian 12's is the one that counts.
version=$(clang-tidy --version 2>/dev/null | grep -oE 'version [0-9]+' || echo "none")
if [ "$version" != "version 14" ]; then
  echo "SKIP: wants clang-tidy 14, found $version"
  exit 77
fi
# Niced: it is the one long computation among tests that wait for things to happen.
find src -name '*.cpp' -print0 |
  nice -n 10 xargs -0 -n 1 -P "${TIDY_JOBS:-1}" clang-tidy --quiet -p "$build" --extra-arg=-Wno-unknown-warning-option 2>&1 |
  { grep -vE '^[0-9]+ warnings? (treated|generated)|^Suppressed|^Use -header-filter' || true; } >"$build/clang-tidy.log"
if grep -E 'warning:|error:' "$build/clang-tidy.log"; then
  cat "$build/clang-tidy.log"
  exit 1
fi
