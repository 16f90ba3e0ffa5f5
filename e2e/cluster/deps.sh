#!/usr/bin/env bash
# deps.sh [PROGRAM:PACKAGE...]: what the cluster takes from Debian, or what is named: installs what is missing (as root), or says
# what to install. A program may be a pattern of paths. Without root it ends with status 77 when something is missing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

WANTED="runc:runc iptables:iptables ipset:ipset conntrack:conntrack ip:iproute2 sysctl:procps findmnt:mount flock:util-linux
  curl:curl openssl:openssl python3:python3 pip3:python3-pip setpriv:util-linux /usr/lib/postgresql/*/bin/postgres:postgresql
  redis-check-rdb:redis-tools"
PATH=$PATH:/usr/sbin:/sbin
if [ $# -gt 0 ]; then WANTED=$*; fi

find_missing() {
  local pair pairs program
  missing=()
  read -ra pairs -d '' <<<"$WANTED" || true
  for pair in "${pairs[@]}"; do
    program=${pair%%:*}
    command -v "$program" >/dev/null || { [[ $program == /* ]] && compgen -G "$program" >/dev/null; } || missing+=("${pair##*:}")
  done
  # busybox is taken into an image, where nothing is that a dynamic one could load.
  if [ "$1" -eq 0 ] && { ! command -v busybox >/dev/null || ! busybox true || ldd "$(command -v busybox)" >/dev/null 2>&1; }; then
    missing+=(busybox-static)
  fi
}

find_missing $#
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  say "error: missing: ${missing[*]} (Debian's package names). As root: apt-get update && apt-get install ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then exit 77; fi
  exit 1
fi
# One at a time: apt does not wait for another.
mkdir -p /run/lock
exec 8>/run/lock/tenant-cluster-apt.lock
flock -w 900 8 || die "another installation did not end within 15 minutes"
find_missing $#
[ "${#missing[@]}" -gt 0 ] || exit 0
# Debian would make a PostgreSQL of its own and start it. A machine that has one, or has said what it wants, keeps that.
if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  export UCF_FORCE_CONFFOLD=1
fi
say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/tmp/tenant-cluster-apt.log 2>&1 ||
  { tail -n 20 /tmp/tenant-cluster-apt.log >&2; die "could not install ${missing[*]}"; }
