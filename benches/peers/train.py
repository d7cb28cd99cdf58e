"""Forward and backward of PyTorch on the CPU, for the networks of `cargo bench --bench train`, and training steps
as `cargo bench --bench trainer` has them: ms.

    venv/bin/python benches/peers/train.py

Alone on an idle machine, in turn with the bench; the better of one thread and two counts.
"""

import statistics
import time

import torch


def run(kind, size, bidirectional, steps, batch, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(size, size, bidirectional=bidirectional)
    x = torch.rand(steps, batch, size, requires_grad=True)
    gradient = torch.rand(steps, batch, size * (2 if bidirectional else 1))
    forward, backward = [], []
    for index in range(25):
        module.zero_grad()
        x.grad = None
        start = time.perf_counter()
        output, _ = module(x)
        middle = time.perf_counter()
        output.backward(gradient)
        end = time.perf_counter()
        if index > 4:
            forward.append(1e3 * (middle - start))
            backward.append(1e3 * (end - middle))
    both = [one + other for one, other in zip(forward, backward)]
    name = f"{'Bi' if bidirectional else ''}{kind} {size}"
    times = [f"{statistics.median(times):.2f} ({min(times):.2f})" for times in (forward, backward, both)]
    print(f"{name:<12} {steps:>4} {batch:>3} {times[0]:>18} {times[1]:>18} {times[2]:>18}")


def step(kind, size, bidirectional, steps, batch, threads):
    """A training step as `cargo bench --bench trainer` has it."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(size, size, bidirectional=bidirectional)
    directions = 2 if bidirectional else 1
    head = torch.nn.Linear(directions * size, 10)
    parameters = [*module.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, 1e-3)
    x, target = torch.rand(steps, batch, size), torch.arange(batch) % 10
    times = []
    for index in range(25):
        start = time.perf_counter()
        optimizer.zero_grad()
        states = module(x)[1]
        states = states[0] if kind == "LSTM" else states
        features = states.transpose(0, 1).reshape(batch, -1)
        torch.nn.functional.cross_entropy(head(features), target).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if index > 4:
            times.append(1e3 * (time.perf_counter() - start))
    name = f"{'Bi' if bidirectional else ''}{kind} {size}"
    print(f"{name:<12} {steps:>4} {batch:>3} step {statistics.median(times):.2f} ({min(times):.2f})")


def main():
    for threads in (1, 2):
        print(f"PyTorch {torch.__version__}, {threads} threads, ms, median (fastest)")
        run("LSTM", 128, True, 100, 16, threads)
        run("LSTM", 256, True, 50, 16, threads)
        run("GRU", 128, True, 100, 16, threads)
        run("LSTM", 512, False, 50, 32, threads)
        run("LSTM", 64, False, 200, 1, threads)
        step("LSTM", 128, True, 100, 16, threads)
        step("LSTM", 256, True, 50, 16, threads)
        step("GRU", 128, True, 100, 16, threads)
        step("LSTM", 512, False, 50, 32, threads)


main()
