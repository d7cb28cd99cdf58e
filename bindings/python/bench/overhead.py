"""What Python adds to a call of the Rust library, and a training step in PyTorch against torch.nn.

    cargo build --release --example call
    python bench/overhead.py target/release/examples/call

Calls of Python and of Rust in turn, each in a process of its own; medians of medians, in microseconds. All on
the CPU engine. The second part is left out without PyTorch.
"""

import statistics
import subprocess
import sys
import time

import numpy as np

import wgpu_rnn

ROUNDS = 7
CASES = [("LSTM 128 N1 T1", 128, 1, 1, 1, 20_000), ("BiLSTM 128 N16 T100", 128, 100, 16, 2, 60)]


def of_python(hidden_size, steps, batch, directions, calls):
    """Time calls of Python, each from the state of the one before."""
    lstm = wgpu_rnn.LSTM(hidden_size, hidden_size, bidirectional=directions == 2, device="cpu")
    x = np.ones((steps, batch, hidden_size), np.float32)
    state, times = None, []
    for _ in range(calls):
        began = time.perf_counter()
        _, state = lstm(x, state)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def of_rust(program, *sizes):
    """Time calls of Rust, the same way."""
    return float(
        subprocess.run([program, *map(str, sizes)], capture_output=True, check=True, text=True).stdout
    )


def of_module(module, x):
    """Time a training step, forward and backward."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        module.zero_grad()
        module(x)[0].sum().backward()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def main(program):
    """Print all of it."""
    for name, *sizes in CASES:
        pairs = [(of_python(*sizes), of_rust(program, *sizes)) for _ in range(ROUNDS)]
        python, rust = (statistics.median(times) for times in zip(*pairs))
        print(f"{name}: Python {python:.1f}, Rust {rust:.1f}, overhead {python - rust:.1f} us", end="")
        print(f" = {100 * (python / rust - 1):.1f} %", flush=True)
    try:
        import torch
    except ImportError:
        return
    import wgpu_rnn.torch

    for name, size, layers, steps in [("128 N16 T100", 128, 1, 100), ("256 x 2 N16 T50", 256, 2, 50)]:
        for kind in ("LSTM", "GRU"):
            x = torch.randn(steps, 16, size, requires_grad=True)
            theirs = getattr(torch.nn, kind)(size, size, layers, bidirectional=True)
            ours = getattr(wgpu_rnn.torch, kind)(size, size, layers, bidirectional=True, device="cpu")
            pairs = [(of_module(theirs, x), of_module(ours, x)) for _ in range(ROUNDS)]
            ratios = sorted(one / other for one, other in pairs)
            one, other = (statistics.median(times) / 1e3 for times in zip(*pairs))
            print(
                f"Bi{kind} {name}, forward and backward: torch.nn {one:.1f} ms, here {other:.1f} ms, ", end=""
            )
            print(f"{statistics.median(ratios):.2f} x ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
