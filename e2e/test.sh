#!/usr/bin/env bash
# make test: everything, on the cluster that `make up` made, or on one that is brought up for it and taken down again.
# Every part runs whatever became of the others; the last lines say which failed.
#   FILTER=NAME   only the parts whose name contains it (unit, postgres, chart, api, leader, defaults, admission, e2e, …)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. e2e/choose.sh

failed=() took=()
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT
part() {
  local name=$1 begun=$SECONDS
  shift
  case $name in *"${FILTER:-}"*) ;; *) return ;; esac
  say ""
  say "=== $name: $*"
  "$@" </dev/null 2>&1 | tee "$logs/$name" || failed+=("$name")
  took+=("$name $((SECONDS - begun)) s")
}
# One build of all test programs, so that they are linked once and not per part.
rust() { cargo test --quiet --locked "$@"; }

choose_cluster
part unit rust --lib --bins --test render
part postgres_versions tests/postgres/servers_test.sh
part postgres rust --test postgres
ours=
if ! { reachable && kubectl -n tenant-operator-system get deployment tenant-operator >/dev/null 2>&1; }; then
  say "no operator runs there yet: bringing it up"
  ours=yes
  part up e2e/up.sh
fi
part chart tests/chart.sh
part api rust --test api
part leader rust --test leader
part defaults rust --test defaults
part admission python3 tests/admission/main.py
part e2e rust --test e2e -- --test-threads "${TEST_THREADS:-6}"
part e2e_disruptive rust --test e2e_disruptive -- --test-threads 1
part e2e_crd rust --test e2e_crd -- --test-threads 1
if [ "$ours" ]; then part down e2e/down.sh; fi

say ""
say "$(printf '%s, ' "${took[@]}")$SECONDS s in all"
if [ "${#failed[@]}" -gt 0 ]; then
  for name in "${failed[@]}"; do
    say "--- $name:"
    grep -aE -A 3 '^FAIL|^---- .* ----$|panicked at|^error' "$logs/$name" | head -60
  done
  say "FAILED: ${failed[*]}"
  exit 1
fi
say "all passed"
