# What one does here. A bare `just` lists it; `just check` is what a change has to pass.

[private]
default:
    @just --list --unsorted

# Everything that the gate demands, on a machine that has what the tests need
check: fmt-check house lint deny doc test

# All tests, exactly as the README and the gate run them
test:
    cargo test --workspace --locked

# Format the code
fmt:
    cargo fmt --all

[private]
fmt-check:
    cargo fmt --all --check

# Clippy on everything, warnings refused
lint:
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# The documentation of every crate, warnings refused
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked

# Everything on this machine with pretended partners, 512 real invoices, and what became of them
demo *arguments:
    cargo run --release -- demo {{ arguments }}

# Everything on this machine, until Ctrl-C
up *arguments:
    cargo run --release -- up {{ arguments }}

# Explore the model of the protocol deeply, and write what was found: at least ten million states
model *arguments:
    cargo run --release --locked -p orders-model -- --date "$(date -I)" {{ arguments }}

# Measure
bench *arguments:
    cargo run --release -- bench {{ arguments }}

# The fault matrix with more seeds; counts and page in docs/ grow
matrix *arguments:
    cargo run --release -p orders-proof --bin matrix -- {{ arguments }}

# A storm of real processes over many orders; counts and page in docs/ grow
chaos *arguments:
    cargo build --release --locked -p atomic-orders
    cargo run --release --locked -p orders-proof --bin chaos -- {{ arguments }}

# Histories of a shop drawn by seeds; counts and page in docs/ grow
simulate *arguments:
    cargo run --release -p orders-proof --bin simulate -- {{ arguments }}

# Direction, tidiness and guarantees in one go
house: (xtask "all")

# Who may depend on whom, and who may name which library
direction: (xtask "direction")

# Sizes, names, heads and words of the files
tidy: (xtask "tidy")

# Promises and tests meet
guarantees: (xtask "guarantees")

# The promises that no test keeps yet
waiting: (xtask "waiting")

[private]
xtask check:
    @cargo run --quiet --locked -p xtask -- {{ check }}

# Bans, licences and sources of what we build from
deny: cargo-deny
    cargo deny --log-level error check bans licenses sources

# Known vulnerabilities; fetches a database, and fails loudly when it cannot
advisories: cargo-deny
    #!/usr/bin/env bash
    set -euo pipefail
    if ! cargo deny fetch db; then
        printf '\n%s\n' \
            '!!! ADVISORIES WERE NOT CHECKED: the database could not be fetched.' \
            '!!! This is not a pass. Run `just advisories` again where it can be reached.' >&2
        exit 1
    fi
    cargo deny check --disable-fetch advisories

[private]
cargo-deny:
    @cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked

# Every order of the steps of two workers on the submission path, with its page in docs/
interleave *arguments:
    cargo run --release -p orders-proof --bin interleave -- {{ arguments }}

# Small changes of the shop's functions, each of which the pgTAP suite must notice, or two sessions; goes on where it ended
mutants *arguments:
    cargo run --release -p orders-proof --bin mutants -- {{ arguments }}

# Small changes of what decides in the program, as .cargo/mutants.toml says; the figures go into the page of the mutants
mutants-rust *arguments: cargo-mutants
    cargo mutants --workspace {{ arguments }}

[private]
cargo-mutants:
    @cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked --version 27.1.0
