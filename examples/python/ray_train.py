"""Trains on Ray, data-parallel: two processes learn as one would with all batches.

    pip install wgpu-rnn "ray[data]"
    python examples/python/ray_train.py --ranks 2

Every rank has a network, an engine and its share of every epoch. Once an update the flat gradients of all
ranks are added, in one all-reduce by an actor. Rank 0 writes the checkpoint, the library's own file, from
which a second run goes on. At the end the weights of all ranks are the same bits, and the losses those of
one process. How much faster two ranks are than one, each with a core:

    python examples/python/ray_train.py --sequences 4096 --batch-size 1024 --compare 5
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray

from wgpu_rnn import GRU, Clip, Dataset, Head, Loader, Loss, Optimizer, Trainer

CHECKPOINT = "run.safetensors"


def corpus(count: int) -> Dataset:
    """Make sequences of two classes: the sign of a feature's sum over time."""
    random = np.random.default_rng(1)
    lengths = random.integers(20, 40, count)
    arrays = [random.standard_normal((int(length), 8), np.float32) for length in lengths]
    return Dataset(arrays, [int(array[:, 0].sum() > 0) for array in arrays], step_multiple=8)


@ray.remote(num_cpus=0)
class Sum:
    """Adds the arrays of all ranks, in the order of the ranks."""

    def __init__(self, ranks: int) -> None:
        self.ranks, self.arrays, self.turn = ranks, {}, asyncio.Condition()
        self.sum, self.count = None, 0

    async def add(self, rank: int, array: np.ndarray) -> np.ndarray:
        """Give the sum, once every rank has brought its array."""
        async with self.turn:
            count = self.count
            self.arrays[rank] = array
            if len(self.arrays) == self.ranks:
                self.sum = sum(self.arrays[rank] for rank in range(self.ranks))
                self.arrays, self.count = {}, count + 1
                self.turn.notify_all()
            await self.turn.wait_for(lambda: self.count > count)
            return self.sum


def train(
    rank: int, world: int, total: Any, folder: str, epochs: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Train a rank, from the checkpoint if there is one."""

    def reduce(numbers: np.ndarray) -> None:
        numbers[:] = ray.get(total.add.remote(rank, numbers))

    dataset = corpus(arguments.sequences)
    gru = GRU(dataset.features, arguments.hidden_size, bidirectional=True, seed=1, device="cpu")
    trainer = Trainer(
        gru,
        Head("last_states", dataset.classes),
        Loss.cross_entropy(),
        Optimizer.adamw(5e-3),
        clip=Clip.norm(1.0),
        reduce=reduce if world > 1 else None,
    )
    path, first, reports = Path(folder) / CHECKPOINT, 0, []
    if path.exists():
        first = trainer.restore(path)["epoch"]
    # A batch of all ranks has the same sequences, however many there are.
    loader = Loader(dataset, arguments.batch_size // world, seed=1, drop_last=True, rank=rank, world=world)
    if world > 1:
        # All begin at once, and have read the checkpoint before rank 0 writes the next one.
        ray.get(total.add.remote(rank, np.zeros(1, np.float32)))
    began = time.perf_counter()
    for epoch in range(first, epochs):
        for batch in loader.epoch(epoch):
            reports += trainer.step(batch.input, batch.labels, lengths=batch.lengths)
    reports += trainer.finish()
    result = {"took": time.perf_counter() - began, "losses": [report.loss for report in reports]}
    if rank == 0:
        trainer.save_checkpoint(path, {"epoch": epochs})
        whole = dataset.batch(range(len(dataset)))
        result["right"] = trainer.evaluate(whole.input, whole.labels, lengths=whole.lengths).right
    return {**result, "weights": trainer.state_dict()}


def run(world: int, folder: str, epochs: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all ranks."""
    total = Sum.remote(world)
    remote = ray.remote(num_cpus=1)(train)
    return ray.get([remote.remote(rank, world, total, folder, epochs, arguments) for rank in range(world)])


def main() -> None:
    """Train, go on from the checkpoint, and compare with one process."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ranks", type=int, default=2, help="processes, each with a core")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sequences", type=int, default=512)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=64, help="sequences of an update, of all ranks")
    parser.add_argument("--compare", type=int, default=0, help="so many rounds of one rank and all, in turn")
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"
    environment = {"env_vars": {"RAYON_NUM_THREADS": "1"}}
    ray.init(num_cpus=arguments.ranks, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as alone:
        # The ranks stop in the middle, and others go on from their checkpoint.
        before = run(arguments.ranks, many, arguments.epochs // 2, arguments)
        after = run(arguments.ranks, many, arguments.epochs, arguments)
        for name, array in after[0]["weights"].items():
            for rank in after[1:]:
                assert np.array_equal(array, rank["weights"][name]), f"{name} is the same bits"
        one = run(1, alone, arguments.epochs, arguments)[0]
    # All ranks have batches of one size: the loss of an update is the mean of theirs.
    losses = np.concatenate([np.mean([rank["losses"] for rank in part], 0) for part in (before, after)])
    print(f"{len(losses)} updates: loss {losses[0]:.3f} to {losses[-1]:.3f}, {after[0]['right']} right")
    assert losses[-1] < losses[0], "the loss falls"
    np.testing.assert_allclose(losses, one["losses"], atol=1e-4, err_msg="the losses of one rank")
    print("weights are the same bits on all ranks, losses are those of one rank")
    ratios = []
    for _ in range(arguments.compare):
        took = []
        for world in (1, arguments.ranks):
            with tempfile.TemporaryDirectory() as folder:
                took.append(max(rank["took"] for rank in run(world, folder, arguments.epochs, arguments)))
        ratios.append(took[0] / took[1])
        print(f"1 rank {took[0]:.2f} s, all {took[1]:.2f} s: {ratios[-1]:.2f} x", flush=True)
    if ratios:
        print(f"median {statistics.median(ratios):.2f} x")
    ray.shutdown()


if __name__ == "__main__":
    main()
