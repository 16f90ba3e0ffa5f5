# shellcheck shell=bash
# To be sourced: one build for the operator in the local cluster and for all test programs. Another profile, target or flag
# anywhere would compile everything a second time. The operator is static, as in its Dockerfile; with a target named, the flags
# do not reach procedural macros, which cannot be.
#   OPERATOR_PROFILE=release   the operator as it is released, for measuring

RUST_TARGET=$(uname -m)-unknown-linux-gnu
CARGO_FLAGS=(--locked --no-default-features --target "$RUST_TARGET" --target-dir target)
RELEASE_FLAGS=(--locked --release --target "$RUST_TARGET" --target-dir target)
export RUSTFLAGS="-C target-feature=+crt-static" CARGO_INCREMENTAL=0

if [ "${OPERATOR_PROFILE:-}" = release ]; then
  OPERATOR_BINARY=target/$RUST_TARGET/release/tenant-operator
  build_operator() { cargo build "${RELEASE_FLAGS[@]}" --bin tenant-operator; }
else
  OPERATOR_BINARY=target/$RUST_TARGET/debug/tenant-operator
  # With the application of the examples: built by itself, it would need its dependencies with other features, and so once more.
  build_operator() { cargo build "${CARGO_FLAGS[@]}" --package tenant-operator --package example-app --bin tenant-operator --bin example-app; }
fi

# All test programs, so that none is linked while another runs.
build_tests() { cargo test "${CARGO_FLAGS[@]}" --quiet --no-run --lib --bins --test '*'; }
