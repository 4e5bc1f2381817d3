# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts in this directory: Debian roots that behave like a fresh machine.
#   debian_root SUITE DIRECTORY [EXTRA PACKAGES]  unpacks a minimal root; made once by debootstrap and kept in $NSWARDEN_ROOTS
#   debian_root_with SUITE DIRECTORY NAME PACKAGES...  the same with packages installed by apt, kept as SUITE-NAME.tar: increment the name when
#                                                 the list changes. PACKAGE:ARCHITECTURE adds the architecture
#   in_root [--network] DIRECTORY COMMAND...      runs COMMAND there in temporary namespaces; --network: with the
#                                                 network of this machine, so that apt works

NSWARDEN_ROOTS=${NSWARDEN_ROOTS:-/var/tmp/nswarden-roots}

debian_mirror() {
  if [ -n "${DEBIAN_MIRROR-}" ]; then
    echo "$DEBIAN_MIRROR"
  elif [ -e /etc/apt/sources.list.d/debian.sources ]; then
    awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources
  else
    awk '/^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list
  fi
}

debian_root() {
  local suite=$1 root=$2 extra=${3-} tar
  tar=$NSWARDEN_ROOTS/$suite${extra:+-${extra//,/-}}.tar
  if [ ! -e "$tar" ]; then
    command -v debootstrap >/dev/null || {
      echo "apt-get install debootstrap" >&2
      return 1
    }
    mkdir -p "$NSWARDEN_ROOTS"
    local made
    made=$(mktemp -d "$NSWARDEN_ROOTS/making.XXXXXX")
    debootstrap --variant=minbase ${extra:+--include="$extra"} "$suite" "$made/root" "$(debian_mirror)" >"$made/log" 2>&1 || {
      tail -n 20 "$made/log" >&2
      rm -rf "$made"
      return 1
    }
    rm -rf "$made"/root/var/cache/apt/archives/*.deb
    tar --numeric-owner -C "$made/root" -cf "$tar.new" .
    mv "$tar.new" "$tar"
    rm -rf "$made"
  fi
  mkdir -p "$root"
  tar --numeric-owner -C "$root" -xpf "$tar"
}

debian_root_with() {
  local suite=$1 root=$2 tar=$NSWARDEN_ROOTS/$1-$3.tar
  shift 3
  if [ -e "$tar" ]; then
    mkdir -p "$root"
    tar --numeric-owner -C "$root" -xpf "$tar"
    return
  fi
  local log=$root.log new
  debian_root "$suite" "$root" || return
  in_root --network "$root" sh -ec '
    for architecture in $(printf "%s\n" "$@" | sed -n "s/.*://p" | sort -u); do dpkg --add-architecture "$architecture"; done
    apt-get -q update
    apt-get -qy --no-install-recommends install "$@"' apt "$@" >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    return 1
  }
  rm -rf "$log" "$root"/var/cache/apt/archives/*.deb
  new=$(mktemp "$tar.XXXXXX")
  tar --numeric-owner -C "$root" -cf "$new" .
  mv "$new" "$tar"
}

in_root() {
  local flags=(-m -p -i -u --fork --kill-child --propagation private) own_network=yes
  if [ "$1" = --network ]; then
    own_network=
    shift
  fi
  local root
  root=$(readlink -f "$1")
  shift
  [ -z "$own_network" ] || flags+=(-n)
  # Separate device nodes: through a bind mount a chmod would reach those of this machine. kernel.* is read-only, net.* is not.
  unshare "${flags[@]}" bash -eu -c '
    root=$0
    for file in resolv.conf hosts; do [ ! -e /etc/$file ] || cp -L /etc/$file "$root/etc/$file"; done
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,bind,rw "$root/proc/sys/net"
    mount -t sysfs sysfs "$root/sys" 2>/dev/null || mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"; done
    mknod -m 666 "$root/dev/tty" c 5 0
    ln -s /proc/self/fd "$root/dev/fd"
    for fd in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${fd%:*}" "$root/dev/${fd#*:}"; done
    mkdir "$root/dev/shm" "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    cd "$root"
    mkdir -p .old
    pivot_root . .old
    cd /
    umount -l /.old
    rmdir /.old
    ip link set lo up 2>/dev/null || true
    exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
  ' "$root" "$@"
}
