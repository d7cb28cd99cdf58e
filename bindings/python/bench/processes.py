"""How far two processes of a core each scale on this machine with no Ray between them.

    RAYON_NUM_THREADS=1 python bench/processes.py

The work of `examples/python/ray_infer.py` and `ray_train.py`: all in one process, then half in each of two at
once, in turn. The two share nothing and never wait for each other, so Ray cannot do better.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "examples/python"))

import numpy as np
import ray_infer
import ray_train

from wgpu_rnn import LSTM

ROUNDS = 5
SEQUENCES, BATCH = {"infer": 20_000, "train": 16_384}, {"infer": 500, "train": 1024}


def work(name, processes, folder, barrier, times):
    """Do a share of the work, from the moment on at which all processes are ready."""
    count = SEQUENCES[name] // processes
    if name == "infer":
        embed = ray_infer.Embed(f"{folder}/lstm.safetensors", "cpu", None)
        embed({"number": np.arange(10)})
        barrier.wait()
        began = time.perf_counter()
        for first in range(0, count, BATCH[name]):
            embed({"number": np.arange(first, first + BATCH[name])})
        times.put(time.perf_counter() - began)
        return
    # As in Ray, a batch of all processes has the same size, however many there are.
    sizes = argparse.Namespace(sequences=count // 4, batch_size=BATCH[name] // processes, hidden_size=128)
    barrier.wait()
    with tempfile.TemporaryDirectory() as checkpoint:
        times.put(ray_train.train(0, 1, None, checkpoint, 4, sizes)["took"])


def seconds(name, processes, folder):
    """Give the time of the slowest process."""
    context = multiprocessing.get_context("spawn")
    barrier, times = context.Barrier(processes), context.Queue()
    children = [
        context.Process(target=work, args=(name, processes, folder, barrier, times)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    slowest = max(times.get() for _ in children)
    for child in children:
        child.join()
    return slowest


def main():
    """Print the scaling of both."""
    with tempfile.TemporaryDirectory() as folder:
        LSTM(ray_infer.FEATURES, 128, bidirectional=True, seed=1, device="cpu").save(
            f"{folder}/lstm.safetensors"
        )
        for name in SEQUENCES:
            pairs = [[seconds(name, processes, folder) for processes in (1, 2)] for _ in range(ROUNDS)]
            ratios = sorted(one / two for one, two in pairs)
            one, two = (statistics.median(times) for times in zip(*pairs))
            print(f"{name}: 1 process {one:.2f} s, 2 processes {two:.2f} s: ", end="")
            print(
                f"median {statistics.median(ratios):.2f} x ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True
            )


if __name__ == "__main__":
    main()
