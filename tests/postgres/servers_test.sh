#!/usr/bin/env bash
# Tests of the choice of the distribution's PostgreSQL and of the tested versions, on any distribution.
set -euo pipefail
. "$(dirname "$0")/servers.sh"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0 passed=0

is() { # what, expected, got
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $1: expected '$2', got '$3'"
  fi
}

# has VERSION/PROGRAM...
has() {
  local program
  for program in "$@"; do
    mkdir -p "$tree/${program%/*}/bin"
    touch "$tree/${program%/*}/bin/${program##*/}"
  done
}

is "no folder" none "$(distribution_postgresql "$tree/nowhere" || echo none)"
is "an empty folder" none "$(distribution_postgresql "$tree" || echo none)"
has 18/psql
is "a client only" none "$(distribution_postgresql "$tree" || echo none)"
has 9.6/postgres
is "one" "$tree/9.6" "$(distribution_postgresql "$tree")"
has 15/postgres 17/postgres
is "the newest that has a server" "$tree/17" "$(distribution_postgresql "$tree")"
is "what is there is not installed" "" "$(deps "$tree/*/bin/postgres:none" 2>&1)"

# distribution's, PG_VERSIONS, expected
while IFS=: read -r distribution wanted expected; do
  is "$distribution $wanted" "$expected" "$(versions "$distribution" "$wanted" | xargs)"
done <<'CASES'
15::13 15 18
16::13 16 18
17::13 17 18
18::13 18
13::13 18
14::13 14 18
19::13 18 19
15:all:13 15 16 17 18
14:all:13 14 15 16 17 18
15:18 13:13 18
15:16:16
CASES

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
