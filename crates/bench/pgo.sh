#!/usr/bin/env bash
# Builds the proxy with profile-guided optimisation: an instrumented build, a training load, the final build.
#
#   crates/bench/pgo.sh [FEATURES]      FEATURES: those of the final build, "demo" without the argument
#
# The program is then target/pgo/release/portunus. Needs llvm-profdata of rustc's own LLVM: the rustup component
# llvm-tools, or the system package llvm-NN of the same number.
set -euo pipefail
cd "$(dirname "$0")/../.."

features=${1:-demo}
target=$PWD/target/pgo
raw=$target/raw
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
profdata=$(find "$(rustc --print sysroot)" -name llvm-profdata -type f 2>/dev/null | head -n1)
[ -n "$profdata" ] || profdata=$(command -v "llvm-profdata-$llvm" || true)
if [ -z "$profdata" ]; then
    echo "error: no llvm-profdata for LLVM $llvm: rustup component add llvm-tools, or apt-get install llvm-$llvm" >&2
    exit 1
fi

build() { # build RUSTFLAGS FEATURES
    RUSTFLAGS=$1 CARGO_TARGET_DIR=$target cargo build --quiet --release --no-default-features --features "$2"
}

rm -rf "$raw"
build "-Cprofile-generate=$raw" bench
cp "$target/release/portunus" "$target/portunus-trained"
# The load that it is trained with: plain GETs and POSTs, and sealed ones.
cargo run --quiet -p bench --bin overhead -- --program "$target/portunus-trained" --seconds 10
"$profdata" merge -o "$target/portunus.profdata" "$raw"/*.profraw
build "-Cprofile-use=$target/portunus.profdata" "$features"
echo "$target/release/portunus"
