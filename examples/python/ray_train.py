"""Trains on Ray, data-parallel: two processes learn as one would with all batches.

    pip install wgpu-rnn "ray[data]"
    python examples/python/ray_train.py --ranks 2

Every rank has a network, an engine and its share of every epoch. Once an update the flat gradients of all
ranks are added, in one all-reduce by an actor. Rank 0 writes the checkpoint, the library's own file, from
which a second run goes on. At the end the weights of all ranks are the same bits.
"""

from __future__ import annotations

import argparse
import asyncio
import os
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


@ray.remote(num_cpus=1)
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
    path, first, losses = Path(folder) / CHECKPOINT, 0, []
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
            losses += [
                report.loss for report in trainer.step(batch.input, batch.labels, lengths=batch.lengths)
            ]
    losses += [report.loss for report in trainer.finish()]
    took = time.perf_counter() - began
    whole = dataset.batch(range(len(dataset)))
    value = trainer.evaluate(whole.input, whole.labels, lengths=whole.lengths)
    if rank == 0:
        trainer.save_checkpoint(path, {"epoch": epochs})
    return {"losses": losses, "took": took, "right": value.right, "weights": trainer.state_dict()}


def run(world: int, folder: str, epochs: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run all ranks."""
    total = Sum.remote(world)
    ranks = [train.remote(rank, world, total, folder, epochs, arguments) for rank in range(world)]
    return ray.get(ranks)


def main() -> None:
    """Train, go on from the checkpoint, and compare with one process."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ranks", type=int, default=2, help="processes, each with a core")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sequences", type=int, default=512)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=64, help="sequences of an update, of all ranks")
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"
    environment = {"env_vars": {"RAYON_NUM_THREADS": "1"}}
    ray.init(num_cpus=arguments.ranks, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    half = arguments.epochs // 2
    with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as alone:
        # The ranks stop in the middle, and others go on from their checkpoint.
        before = run(arguments.ranks, many, half, arguments)
        after = run(arguments.ranks, many, arguments.epochs, arguments)
        for name, array in after[0]["weights"].items():
            for rank in after[1:]:
                assert np.array_equal(array, rank["weights"][name]), f"{name} is the same bits"
        one = run(1, alone, arguments.epochs, arguments)[0]
    losses = before[0]["losses"] + after[0]["losses"]
    took = max(rank["took"] for rank in before) + max(rank["took"] for rank in after)
    print(
        f"{len(losses)} updates by {arguments.ranks} ranks in {took:.1f} s, 1 rank in {one['took']:.1f} s: ",
        end="",
    )
    print(f"{one['took'] / took:.2f} x")
    print(f"loss {losses[0]:.3f} to {losses[-1]:.3f}; {after[0]['right']} of {arguments.sequences} right")
    assert len(losses) == len(one["losses"]) and losses[-1] < losses[0]
    ray.shutdown()


if __name__ == "__main__":
    main()
