# shellcheck shell=bash
# To be sourced: one build for the operator in the local cluster and for all test programs. Another profile, target or flag
# anywhere would compile everything a second time. The operator is static, as in its Dockerfile; with a target named, the flags
# do not reach procedural macros, which cannot be.

RUST_TARGET=$(uname -m)-unknown-linux-gnu
OPERATOR_BINARY=target/$RUST_TARGET/debug/tenant-operator
CARGO_FLAGS=(--locked --no-default-features --target "$RUST_TARGET" --target-dir target)
export RUSTFLAGS="-C target-feature=+crt-static" CARGO_INCREMENTAL=0

build_operator() { cargo build "${CARGO_FLAGS[@]}" --bin tenant-operator; }

# All test programs, so that none is linked while another is measured.
build_tests() { cargo test "${CARGO_FLAGS[@]}" --quiet --no-run --lib --bins --test '*'; }
