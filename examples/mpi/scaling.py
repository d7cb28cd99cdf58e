#!/usr/bin/env python3
"""How far data-parallel training scales, on paper: python3 scaling.py MS_SMALL MS_MEDIUM

The arguments are the times of a step without a sum, on one rank with a core (`bench.sh`), of BiLSTM 2 x 64
and 2 x 128. Larger networks are taken to need as long per parameter, step and sequence as 2 x 128.

A step is its own time and the all-reduce, which nothing hides: a ring, 2 (p - 1) / p bytes / bandwidth +
2 (p - 1) latency, or, for small arrays, recursive doubling, log2 p (bytes / bandwidth + latency). The faster
one is taken, as MPI's choice by size does.
"""

import math
import sys

# Name, bytes per second (the line rate), seconds of latency. Assumed, not measured.
NETWORKS = [("10 GbE, TCP", 1.25e9, 25e-6), ("100 Gb/s, RDMA", 12.5e9, 2e-6)]
RANKS = [2, 8, 32, 128, 512, 1000]


def all_reduce(count, ranks, bandwidth, latency):
    if ranks == 1:
        return 0.0
    size = 4 * count
    ring = 2 * (ranks - 1) / ranks * size / bandwidth + 2 * (ranks - 1) * latency
    doubling = math.ceil(math.log2(ranks)) * (size / bandwidth + latency)
    return min(ring, doubling)


def weak(step, count, ranks, network):
    """Rows per second of all ranks, over those of one times the ranks: each with the same batch."""
    return step / (step + all_reduce(count, ranks, *network))


def strong(step, count, ranks, network):
    """The same where one batch is divided, among no more ranks than sequences."""
    return step / ranks / (step / ranks + all_reduce(count, ranks, *network))


def most(efficiency, step, count, rows, network):
    """The most ranks, up to 1,000, that are at least 90 % efficient together with all fewer ones."""
    for ranks in range(2, rows + 1):
        if efficiency(step, count, ranks, network) < 0.9:
            return ranks - 1
    return rows


def main():
    small, medium = (1e-3 * float(word) for word in sys.argv[1:3])
    networks = [("2 x 64, T 24, N 28", 0.14e6, small, 28), ("2 x 128, T 100, N 16", 0.66e6, medium, 16)]
    for millions in (5, 50):
        name = f"{millions} M parameters, T 100, N 16"
        networks.append((name, 1e6 * millions, medium * millions / 0.66, 16))
    for kind, efficiency in (("weak", weak), ("strong", strong)):
        print(f"\n{kind} scaling: efficiency in % by ranks, and the most ranks at 90 %\n")
        print("| network | step, ms | link | " + " | ".join(map(str, RANKS)) + " | at 90 % |")
        print("|---" * (len(RANKS) + 4) + "|")
        for name, count, step, sequences in networks:
            # One batch is divided among no more ranks than sequences.
            limit = 1000 if kind == "weak" else sequences
            for link, *network in NETWORKS:
                cell = lambda ranks: f"{100 * efficiency(step, count, ranks, network):.0f}"
                cells = [cell(ranks) if ranks <= limit else "" for ranks in RANKS]
                end = most(efficiency, step, count, limit, network)
                print(f"| {name} | {1e3 * step:.0f} | {link} | " + " | ".join(cells) + f" | {end} |")


main()
