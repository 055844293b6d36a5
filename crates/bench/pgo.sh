#!/usr/bin/env bash
# Builds the proxy with profile-guided optimisation: an instrumented build, a training load, the final build.
#
#   crates/bench/pgo.sh [FEATURES]      FEATURES: of both builds, "demo" without the argument; `demo` has to be one
#
# The program is then target/pgo/release/portunus. Both builds need the same features and place: the names that a profile
# goes by are made of them. Needs llvm-profdata of rustc's own LLVM: the rustup component llvm-tools, or the system package
# llvm-NN of the same number.
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

build() { # build RUSTFLAGS
    RUSTFLAGS=$1 CARGO_TARGET_DIR=$target cargo build --quiet --release --no-default-features --features "$features"
}

build "-Cprofile-generate=$raw"
cp "$target/release/portunus" "$target/portunus-trained"
# What build scripts and macros left there is no load.
rm -rf "$raw"
python3 crates/bench/train.py "$target/portunus-trained"
"$profdata" merge -o "$target/portunus.profdata" "$raw"/*.profraw
build "-Cprofile-use=$target/portunus.profdata"
echo "$target/release/portunus"
