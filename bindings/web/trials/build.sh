#!/usr/bin/env bash
# Builds the trials of tests/engines/ and tests/gradients/ as modules for a page, in target/trials-pkg/. The package's
# build.sh comes first, which installs wasm-bindgen's program.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
out=${CARGO_TARGET_DIR:-target}
cargo build --profile trials --locked --target "$target" --package wgpu-rnn-web-trials
rm -rf "$out/trials-pkg"
for name in engines gradients; do
    "$out/tools/bin/wasm-bindgen" --target web --no-typescript --out-dir "$out/trials-pkg" --out-name "$name" \
        "$out/$target/trials/$name.wasm"
done
