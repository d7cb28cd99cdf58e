"""Runs a corpus of sequences through a network on Ray: shards, one engine an actor, results in order.

    pip install wgpu-rnn "ray[data]"
    python examples/python/ray_infer.py --actors 2 --sequences 2000 --kill

Every actor reads the weights once and opens an engine of its own. Sequences of a batch have different
lengths: they are padded, and the network is told the lengths, so that no number depends on its neighbours.
With `--kill`, an actor ends its process in the middle: Ray starts another, and does its blocks again.
How much faster two actors are than one, each with a core:

    python examples/python/ray_infer.py --sequences 40000 --batch-size 500 --compare 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from wgpu_rnn import LSTM

FEATURES = 16


def sequence(number: int) -> np.ndarray:
    """Make a sequence of the corpus, [T, I], the same in every process."""
    random = np.random.default_rng(number)
    return random.standard_normal((int(random.integers(5, 60)), FEATURES), np.float32)


class Embed:
    """An actor: the last states of each sequence of its batches."""

    def __init__(self, weights: str, device: str, kill: str | None) -> None:
        self.lstm = LSTM.load(weights, device=device)
        self.kill = kill

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Compute a batch."""
        began = time.time()
        if self.kill is not None and batch["number"].max() > 100:
            try:
                # The first that makes the file is the one that ends.
                with open(self.kill, "x") as file:
                    file.write(str(os.getpid()))
            except FileExistsError:
                self.kill = None
            else:
                os._exit(1)
        sequences = [sequence(number) for number in batch["number"].tolist()]
        lengths = [len(array) for array in sequences]
        padded = np.zeros((max(lengths), len(sequences), FEATURES), np.float32)
        for place, array in enumerate(sequences):
            padded[: len(array), place] = array
        _, (h_n, _) = self.lstm(padded, lengths=lengths)
        state = np.concatenate([h_n[-2], h_n[-1]], 1)
        call = np.full((len(state), 3), [began, time.time(), os.getpid()])
        return {"number": batch["number"], "state": state, "call": call}


def run(
    weights: str, arguments: argparse.Namespace, actors: int, kill: str | None
) -> tuple[np.ndarray, float]:
    """Run the corpus through so many actors, and time it from the first batch to the last."""
    # Small blocks, so that no actor has much left when the others are done; all there before the actors are,
    # so that all begin at once.
    blocks = max(4 * actors, arguments.sequences // 1000)
    numbers = ray.data.range(arguments.sequences, override_num_blocks=blocks).materialize()
    batches = numbers.rename_columns({"id": "number"}).map_batches(
        Embed,
        fn_constructor_args=(weights, arguments.device, kill),
        batch_size=arguments.batch_size,
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
    )
    # Whole blocks: a row at a time costs the driver a core that the actors have use for.
    results = list(batches.iter_batches(batch_size=None))
    number, state, call = (
        np.concatenate([block[name] for block in results]) for name in ("number", "state", "call")
    )
    assert np.array_equal(number, np.arange(arguments.sequences)), "the results are in order"
    if kill is not None:
        ended = int(Path(kill).read_text())
        assert ended not in call[101:, 2], "the actor that was to end has gone on"
        print("an actor has ended in the middle, and its blocks were done again")
    return state, float(call[:, 1].max() - call[:, 0].min())


def main() -> None:
    """Run it, and hold some results against calls of one sequence each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--actors", type=int, default=2, help="processes, each with an engine and a core")
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--device", default="cpu", help="the engine of every actor")
    parser.add_argument("--kill", action="store_true", help="end an actor in the middle")
    parser.add_argument("--compare", type=int, default=0, help="so many rounds of one actor and all, in turn")
    arguments = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    # No batch begins before all actors are there.
    context.wait_for_min_actors_s = 60
    context.enable_progress_bars = False
    ray.init(
        # One more, for the tasks that cut the corpus into blocks.
        num_cpus=arguments.actors + 1,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"RAYON_NUM_THREADS": "1"}},
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "lstm.safetensors")
        lstm = LSTM(FEATURES, arguments.hidden_size, bidirectional=True, seed=1, device=arguments.device)
        lstm.save(weights)
        kill = str(Path(folder) / "killed") if arguments.kill else None
        states, took = run(weights, arguments, arguments.actors, kill)
        print(f"{arguments.sequences} sequences by {arguments.actors} actors in {took:.1f} s")
        for number in range(0, arguments.sequences, max(1, arguments.sequences // 20)):
            _, (h_n, _) = lstm(sequence(number))
            np.testing.assert_allclose(states[number], h_n.ravel(), atol=1e-5)
        print("results are in order, and those of one sequence after the other")
        ratios = []
        for _ in range(arguments.compare):
            one, many = (run(weights, arguments, actors, None)[1] for actors in (1, arguments.actors))
            ratios.append(one / many)
            print(
                f"1 actor {one:.2f} s, {arguments.actors} actors {many:.2f} s: {ratios[-1]:.2f} x", flush=True
            )
        if ratios:
            print(f"median {statistics.median(ratios):.2f} x")
    ray.shutdown()


if __name__ == "__main__":
    main()
