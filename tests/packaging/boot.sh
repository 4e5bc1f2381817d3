# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts in this directory: boots a Debian root with systemd in it, like a separate machine.
#   boot DIRECTORY        systemd becomes process 1 of new namespaces; returns when its start is done
#   booted COMMAND...     runs COMMAND there, as root
#   power_off             shuts it down, cleanly if possible
# /proc/sys is that of this machine, so the root has to mask systemd-sysctl.service.

boot() {
  local root cgroup
  root=$(readlink -f "$1")
  cgroup=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
  [ -n "$cgroup" ] || {
    echo "no cgroup2 is mounted, and systemd needs one" >&2
    return 1
  }
  BOOT_CGROUP=$cgroup/nswarden-boot-$$
  mkdir "$BOOT_CGROUP"
  # Separate device nodes: systemd changes the mode of the target of /dev/console. All mounts are shared, as on a machine, so
  # that mounts in /run/netns reach the services.
  # shellcheck disable=SC2016  # expanded by the inner shell
  sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$BOOT_CGROUP" \
    unshare -m -p -i -u -n -C --fork --kill-child --propagation slave bash -eu -c '
    mount --bind "$0" "$0"
    cd "$0"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs dev
    for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
    mknod -m 666 dev/tty c 5 0
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s /dev/null dev/console
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    mount -t tmpfs tmpfs dev/shm
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    ip link set lo up
    mkdir -p .old
    pivot_root . .old
    umount -l /.old
    rmdir /.old
    mount --make-rshared /
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd systemd.unit=multi-user.target
  ' "$root" >/dev/null 2>&1 </dev/null &
  BOOT_PID=$!
  local end=$((SECONDS + 180)) state=
  while [ $SECONDS -lt $end ] && kill -0 "$BOOT_PID" 2>/dev/null; do
    state=$(booted systemctl is-system-running 2>/dev/null || true)
    case $state in running | degraded) return 0 ;; esac
    sleep 0.2
  done
  echo "systemd did not come up: ${state:-no answer}" >&2
  return 1
}

first_process() { pgrep -P "$BOOT_PID"; }

booted() {
  local first
  first=$(first_process) || return 1
  nsenter -t "$first" -a env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0 "$@"
}

power_off() {
  [ -n "${BOOT_PID-}" ] || return 0
  local first end=$((SECONDS + 20))
  if first=$(first_process); then
    kill -s RTMIN+4 "$first" # poweroff.target
    while [ $SECONDS -lt $end ] && kill -0 "$first" 2>/dev/null; do sleep 0.1; done
    kill -KILL "$first" 2>/dev/null || true
  fi
  kill -KILL "$BOOT_PID" 2>/dev/null || true
  wait "$BOOT_PID" 2>/dev/null || true
  BOOT_PID=
  find "$BOOT_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
}
