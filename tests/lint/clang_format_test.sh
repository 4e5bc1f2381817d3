#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every C++ file is formatted by clang-format.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Other versions break lines differently: the tree is formatted with Debian 12's.
version=$(clang-format --version 2>/dev/null | grep -oE 'version [0-9]+' || echo "none")
if [ "$version" != "version 14" ]; then
  echo "SKIP: wants clang-format 14, found $version"
  exit 77
fi
find include src tests -name '*.hpp' -o -name '*.cpp' | xargs clang-format --dry-run -Werror
