#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the arrows between the layers (main -> app -> os -> core) and keeps each library and dangerous call in its one file.
# Then plants each violation in a copy and wants to see it found: a rule that cannot fail is no rule.
set -euo pipefail
root=$(realpath "${1:-$(dirname "$0")/..}")

# forbid ROOT RULE PATTERN EXCEPT PATH...: reports lines that match PATTERN in files below PATHs, but for files that match EXCEPT. With $only, nothing for
# other rules than that.
forbid() {
  local root=$1 rule=$2 pattern=$3 except=$4 found
  [ -z "${only-}" ] || [ "$rule" = "$only" ] || return 0
  shift 4
  found=$(cd "$root" && grep -rnE --include='*.hpp' --include='*.cpp' -- "$pattern" "$@" 2>/dev/null |
    grep -vE "^[^:]+:[0-9]+: *(//|\*)" | { [ -z "$except" ] && cat || grep -vE "^($except):"; }) || true
  [ -z "$found" ] || printf '%s: %s\n' "$rule" "${found//$'\n'/$'\n'$rule: }"
}

inc='# *include *[<"]'
core=(include/nswarden/core src/core)
os=(include/nswarden/os src/os)
app=(include/nswarden/app src/app)
all=(include src)

check() {
  local r=$1
  forbid "$r" "core knows neither os nor app" "$inc(\.\./)?(nswarden/)?(os|app)/" "" "${core[@]}"
  forbid "$r" "os does not know app" "$inc(\.\./)?(nswarden/)?app/" "" "${os[@]}"
  forbid "$r" "core calls no kernel" "$inc((sys|linux|net|netinet|arpa|asm)/|[a-z0-9_]+\.h>)" "" "${core[@]}"
  forbid "$r" "core has no threads, files or terminal" \
    "$inc(thread|mutex|shared_mutex|condition_variable|future|atomic|semaphore|iostream|fstream|filesystem|cstdio|csignal|random)>" "" "${core[@]}"
  forbid "$r" "core has no clock" "_clock::now|[^a-z_](time|clock_gettime|gettimeofday) ?\(|$inc(ctime)>" "" "${core[@]}"
  forbid "$r" "core has no environment" "getenv" "" "${core[@]}"
  forbid "$r" "core and os know no library of the app" "$inc(CLI|spdlog|prometheus|nlohmann|civetweb|zlib)[/.]" "" "${core[@]}" "${os[@]}"
  forbid "$r" "yaml-cpp dies in one file" "${inc}yaml-cpp/|YAML::" "src/core/yaml_tree\.cpp" "${all[@]}"
  forbid "$r" "re2 dies in one file" "${inc}re2/|RE2::" "src/core/pattern\.cpp" "${all[@]}"
  forbid "$r" "setns is called in one place" "[^a-z_]setns ?\(" "src/os/netns_scope\.cpp" "${all[@]}"
  forbid "$r" "app knows no syscall" "$inc(sys/(syscall|mount|vfs|statfs|inotify|fanotify)|linux/[a-z_]+|sched)\.h|[^a-z_]syscall ?\(" "" "${app[@]}" src/main.cpp
  forbid "$r" "os does not log" "${inc}(iostream)>|[^a-z_](f?printf|perror|syslog) ?\(" "" "${os[@]}"
}

problems=$(check "$root")
if [ -n "$problems" ]; then
  echo "$problems"
  exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r "$root/include" "$root/src" "$scratch"
missed=0
# plant RULE FILE LINE: the rule must report exactly that file.
plant() {
  local rule=$1 file=$scratch/$2 line=$3
  printf '%s\n' "$line" >"$file"
  if ! only=$rule check "$scratch" | grep -qF "$rule: $2:"; then
    echo "not found by '$rule': $line in $2"
    missed=1
  fi
  rm -f "$file"
}
plant "core knows neither os nor app" src/core/planted.cpp '#include <nswarden/os/fd.hpp>'
plant "core knows neither os nor app" include/nswarden/core/planted.hpp '#include "daemon/loop.hpp"'
plant "os does not know app" src/os/planted.cpp '#include <nswarden/app/log.hpp>'
plant "core calls no kernel" src/core/planted.cpp '#include <unistd.h>'
plant "core calls no kernel" src/core/planted.cpp '#include <sys/stat.h>'
plant "core has no threads, files or terminal" src/core/planted.cpp '#include <mutex>'
plant "core has no clock" src/core/planted.cpp 'auto t = std::chrono::steady_clock::now();'
plant "core has no environment" src/core/planted.cpp 'auto v = std::getenv("HOME");'
plant "core and os know no library of the app" src/os/planted.cpp '#include <spdlog/spdlog.h>'
plant "core and os know no library of the app" src/core/planted.cpp '#include <civetweb.h>'
plant "yaml-cpp dies in one file" src/core/planted.cpp '#include <yaml-cpp/yaml.h>'
plant "re2 dies in one file" src/app/planted.cpp '#include <re2/re2.h>'
plant "setns is called in one place" src/os/planted.cpp '  if (::setns(fd, CLONE_NEWNET) != 0) return;'
plant "app knows no syscall" src/app/planted.cpp '#include <sys/syscall.h>'
plant "os does not log" src/os/planted.cpp '  std::fprintf(stderr, "x");'
exit $missed
