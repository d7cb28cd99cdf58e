#!/usr/bin/env bash
# Builds the package and runs its trials in headless Chromium, on WebGPU in software, and in Node on Dawn, and the
# pages of examples/web. Installs Chromium, and Node and npm, by apt-get where they are missing. `--all` also runs the
# library's own trials in Chromium, which takes some ten minutes. Another argument picks trials of the package in
# Chromium by a part of their names, and leaves out all others.
set -euo pipefail
cd "$(dirname "$0")"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The target folder that is asked for, or that of each workspace.
programs=${CARGO_TARGET_DIR:-}
bash build.sh
npm ci --no-audit --no-fund --silent
CHROMIUM=$(command -v chromium)
export CHROMIUM
npx tsc --noEmit --strict --target es2022 --lib es2022,dom,esnext.disposable --module nodenext tests/types.ts
all=
[ "${1:-}" = --all ] && all=yes && shift
node tests/run.mjs "$@"
if [ $# = 0 ]; then
    node tests/node.mjs
    # The examples for this machine are what the pages are held against.
    (cd ../.. && cargo build --locked --example train --example vad --example infer)
    node tests/pages.mjs "${programs:-$(cd ../.. && pwd)/target}/debug/examples"
    if [ -n "$all" ]; then
        bash trials/build.sh
        node tests/run_engines.mjs
    fi
fi
