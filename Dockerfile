# docker build --tag tenant-operator:0.1.0 .
FROM rust:1-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY src src
# Cargo wants to see every target that the manifest names.
COPY tests tests
COPY e2e e2e
COPY examples/app examples/app
# With --target named, the flags do not reach the procedural macros, which cannot be static.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    target="$(uname -m)-unknown-linux-gnu" \
    && cargo build --release --locked --bin tenant-operator --target "$target" \
    && cp "target/$target/release/tenant-operator" /tenant-operator

FROM scratch
COPY --from=build /tenant-operator /tenant-operator
USER 65532:65532
ENTRYPOINT ["/tenant-operator"]
CMD ["run"]
