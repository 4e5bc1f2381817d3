# SPDX-License-Identifier: Apache-2.0
# Sourced after roots.sh by the scripts that build and install packages.
#   export_tree DIRECTORY COMMIT  that commit, without git
#   lend_packages SUITE ROOT      puts cached Debian packages into apt's cache there, so that they are downloaded only once;
#   keep_packages SUITE ROOT      apt itself verifies them against the mirror. Kept in $NSWARDEN_ROOTS/packages-SUITE
#   say TEXT, fail TEXT

say() {
  printf -- '--- %s (%d s)\n' "$*" $SECONDS
}

fail() {
  echo "FAIL: $*" >&2
  exit 1
}

export_tree() {
  mkdir -p "$1"
  git archive "$2" | tar -x -C "$1"
}

lend_packages() {
  local kept=$NSWARDEN_ROOTS/packages-$1
  echo force-unsafe-io >"$2/etc/dpkg/dpkg.cfg.d/unsafe-io" # no fsync: a root lost in a crash is unpacked again
  [ ! -d "$kept" ] || find "$kept" -name '*.deb' -exec cp -n -t "$2/var/cache/apt/archives" {} +
}

keep_packages() {
  local kept=$NSWARDEN_ROOTS/packages-$1
  mkdir -p "$kept"
  find "$2/var/cache/apt/archives" -name '*.deb' -exec cp -n -t "$kept" {} +
}
