#!/usr/bin/env bash
# Builds the package in pkg/: ES modules, their WebAssembly and types. Installs Rust's target wasm32 and
# wasm-bindgen's program, in target/tools, where they are missing.
set -euo pipefail
cd "$(dirname "$0")"

target=wasm32-unknown-unknown
out=${CARGO_TARGET_DIR:-target}
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
# One by one: together they would have the features of all.
for package in wgpu-rnn-web wgpu-rnn-web-formats wgpu-rnn-web-training; do
    cargo build --release --locked --target "$target" --package "$package"
done

# The program has to be of the crate's own version.
version=$(grep -A1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')
bindgen=$out/tools/bin/wasm-bindgen
if [ "$("$bindgen" --version 2>/dev/null || true)" != "wasm-bindgen $version" ]; then
    cargo install wasm-bindgen-cli --version "$version" --root "$out/tools" --quiet
fi
rm -rf pkg
for part in '' _formats _training; do
    "$bindgen" --target web --out-dir pkg --out-name "wgpu_rnn$part" "$out/$target/release/wgpu_rnn_web$part.wasm"
done
cp npm/package.json npm/README.md ../../LICENSE-APACHE ../../LICENSE-MIT pkg/
for file in pkg/*.wasm; do
    printf '%s: %s bytes, %s by gzip\n' "$file" "$(stat -c %s "$file")" "$(gzip -9c "$file" | wc -c)"
done
