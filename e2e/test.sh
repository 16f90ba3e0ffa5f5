#!/usr/bin/env bash
# make test: all tests that guard a change, on the cluster that `make up` made. Without one it brings up a cluster, and takes it down again. Every part runs,
# even after failures; the last lines name the failures and the parts' times.
#   FILTER=NAME   only the parts whose name contains it (unit, chart, api, admission, e2e, disruptive, crd, postgres, …)
#   ALL=1         everything there is (make test-all): every version of PostgreSQL, every round, the enforcer's qualification
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. e2e/choose.sh
. e2e/rust.sh

# Seconds above which the end of the run names a test.
SLOW=10
logs=$(mktemp -d) || exit 1
trap 'rm -rf "$logs"' EXIT

# One test program's tests, each with its time: libtest says it to nightly toolchains, and to whom this variable is set. It is
# set for the programs alone, or cargo would compile everything again.
runner=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$RUST_TARGET")_RUNNER
rust() { env "$runner=env RUSTC_BOOTSTRAP=1" cargo test --quiet "${CARGO_FLAGS[@]}" "$@"; }
timed=(-Z unstable-options --report-time --format pretty)

wanted() { case $1 in *"${FILTER:-}"*) ;; *) return 1 ;; esac; }

# run NAME COMMAND...: the command, what it says kept for the end, how long it took, and whether it failed.
run() {
  local name=$1 begun=$SECONDS
  shift
  "$@" </dev/null 2>&1 | tee "$logs/$name"
  [ "${PIPESTATUS[0]}" -eq 0 ] || echo "$name" >>"$logs/.failed"
  echo "$name $((SECONDS - begun)) s" >>"$logs/.took"
}
part() {
  wanted "$1" || return 0
  say ""
  say "=== $1: ${*:2}"
  run "$@"
}

# Says aloud that a test is skipped, in the words of e2e/support/src/cluster.rs.
skipped() { say "SKIPPED $1: $2"; }

# Runs a test program on PostgreSQL of several versions. Only root can install them where they are missing.
on_servers() {
  local code=0
  tests/postgres/servers.sh fetch || code=$?
  if [ "$code" = 77 ]; then
    skipped "$1" "a package for PostgreSQL is missing, and only root can install it"
  else
    rust --test "$1"
  fi
}

# Parts that need no cluster, at low priority beside those that wait for it more than they compute. They are told of at their end.
beside=()
aside() {
  local name
  for name in "$@"; do
    if wanted "$name"; then beside+=("$name"); fi
  done
  [ "${#beside[@]}" -gt 0 ] || return 0
  say "beside what follows: ${beside[*]}"
  (
    renice -n 10 -p "$BASHPID" >/dev/null
    for name in "${beside[@]}"; do run "$name" on_servers "$name" >/dev/null; done
  ) &
  lane=$!
}
rejoin() {
  local name
  [ "${#beside[@]}" -gt 0 ] || return 0
  wait "$lane"
  for name in "${beside[@]}"; do
    say ""
    say "=== $name (ran beside)"
    cat "$logs/$name"
  done
}

# Autoscalers with a metrics-server, which is in the cluster for these tests alone.
autoscaling() {
  local code=0
  e2e/cluster/build.sh metrics-server && e2e/cluster/metrics-server.sh start && e2e/cluster/metrics-server.sh wait &&
    rust --test e2e_disruptive -- "${timed[@]}" --ignored autoscaling || code=$?
  e2e/cluster/metrics-server.sh stop
  return "$code"
}

# The local cluster's programs, the operator and the tests build independently: both cores are kept busy.
build() {
  local building
  if [ "$CLUSTER" = local ]; then
    e2e/cluster/build.sh &
    building=$!
  fi
  build_operator && build_tests || return
  [ -z "${building:-}" ] || wait "$building"
}

counts() {
  cat "$logs"/[!.]* 2>/dev/null | awk '
    /^test result:/ { passed += $4; failed += $6; next }
    /^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3 }
    /SKIPPED / && !seen[$0]++ { skipped++ }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
}

slow_tests() {
  cat "$logs"/[!.]* 2>/dev/null | sed -nE \
    -e 's/^test (.*) \.\.\. [a-zA-Z]+ <([0-9.]+)s>$/\2 \1/p' -e 's/^ok (.*) \(([0-9.]+) s\)$/\2 \1/p' |
    awk -v slow="$SLOW" '$1 > slow' | sort -rn
}

choose_cluster
if [ -n "${ALL:-}" ]; then
  export PG_VERSIONS=all E2E_ROUNDS=10
fi
if [ "$CLUSTER" = local ]; then tests/postgres/servers.sh fetch >/dev/null 2>&1 & fi
part build build
part unit rust --lib --bins --test render -- "${timed[@]}"
ours= needs_cluster=
for name in api admission e2e disruptive crd autoscaling enforcer netpol; do
  if wanted "$name"; then needs_cluster=yes; fi
done
if [ "$needs_cluster" ] && ! { reachable && kubectl -n tenant-operator-system get deployment tenant-operator >/dev/null 2>&1; }; then
  say "no operator runs there yet: bringing it up"
  ours=yes
  run up e2e/up.sh
fi
part scripts tests/scripts.sh
part versions tests/postgres/servers_test.sh
part chart tests/chart.sh
part api rust --test api -- "${timed[@]}"
part admission python3 tests/admission/main.py
part e2e rust --test e2e -- --test-threads "${TEST_THREADS:-6}" "${timed[@]}"
aside postgres
part disruptive rust --test e2e_disruptive -- --test-threads 1 --skip crd_removal "${timed[@]}"
part crd rust --test e2e_disruptive -- --test-threads 1 "${timed[@]}" crd_removal
rejoin
if [ -n "${ALL:-}" ] && [ "$CLUSTER" = local ]; then
  part autoscaling autoscaling
  part enforcer e2e/cluster/enforcer.sh test
  part netpol e2e/cluster/netpol-conformance.sh
fi
if [ "$ours" ]; then run down e2e/down.sh; fi

skips=$(cat "$logs"/[!.]* 2>/dev/null | grep -aoE 'SKIPPED .*' | sort -u)
if [ -n "$skips" ]; then
  say ""
  say "$(wc -l <<<"$skips") skipped:"
  say "$skips"
fi
mapfile -t failed < <(cat "$logs/.failed" 2>/dev/null)
mapfile -t took < <(cat "$logs/.took" 2>/dev/null)
say ""
slow=$(slow_tests)
if [ -n "$slow" ]; then
  say "slower than $SLOW s:"
  say "$slow"
fi
summary="$(printf '%s, ' "${took[@]}")$SECONDS s in all"
say "$summary"
mkdir -p target
echo "$(date -u +%FT%TZ) $summary" >>target/test-seconds
if [ "${#failed[@]}" -gt 0 ]; then
  for name in "${failed[@]}"; do
    say "--- $name:"
    grep -aE -A 3 '^FAIL|^---- .* ----$|panicked at|^error' "$logs/$name" | head -60
  done
  say "FAILED: ${failed[*]}"
  counts
  exit 1
fi
say "all passed"
counts
