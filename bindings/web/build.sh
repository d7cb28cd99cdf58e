#!/usr/bin/env bash
# Builds the package in pkg/: an ES module, its WebAssembly and its types. Installs Rust's target wasm32 and
# wasm-bindgen's program, in target/tools, where they are missing.
set -euo pipefail
cd "$(dirname "$0")"

target=wasm32-unknown-unknown
out=${CARGO_TARGET_DIR:-target}
[ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || rustup target add "$target"
cargo build --release --locked --target "$target"

# The program has to be of the crate's own version.
version=$(grep -A1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')
bindgen=$out/tools/bin/wasm-bindgen
if [ "$("$bindgen" --version 2>/dev/null || true)" != "wasm-bindgen $version" ]; then
    cargo install wasm-bindgen-cli --version "$version" --root "$out/tools" --quiet
fi
"$bindgen" --target web --out-dir pkg --out-name wgpu_rnn "$out/$target/release/wgpu_rnn_web.wasm"
cp npm/package.json npm/README.md pkg/
printf 'pkg/wgpu_rnn_bg.wasm: %s bytes, %s compressed\n' \
    "$(stat -c %s pkg/wgpu_rnn_bg.wasm)" "$(gzip -9c pkg/wgpu_rnn_bg.wasm | wc -c)"
