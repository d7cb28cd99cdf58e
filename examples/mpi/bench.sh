#!/usr/bin/env bash
# Steps of one rank with a core and of two with a core each, in turn, and all-reduces. Wants two idle cores.
#     examples/mpi/bench.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")"
cargo build --release --locked
program=${CARGO_TARGET_DIR:-target}/release/train-mpi
ranks() { mpirun --allow-run-as-root --bind-to core -n "$1" "$program" bench "${@:2}"; }
for ((round = 1; round <= ${1:-5}; round++)); do
    printf '\nround %d, %s\n' "$round" "$(uptime | sed 's/.*load/load/')"
    ranks 1
    ranks 2
    ranks 2 --strong
done
