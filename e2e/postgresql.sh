# shellcheck shell=bash
# To be sourced: the distribution's own PostgreSQL, of whatever version it has.

# distribution_postgresql [FOLDER]: the folder of the newest version that has a server; false where none has.
distribution_postgresql() {
  local found
  found=$(compgen -G "${1:-/usr/lib/postgresql}/*/bin/postgres" | sort -V | tail -n 1)
  [ -n "$found" ] && echo "${found%/bin/postgres}"
}
