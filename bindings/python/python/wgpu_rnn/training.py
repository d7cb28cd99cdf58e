"""Training without PyTorch: heads, losses, optimisers and the loop, on the engine of the network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from . import _wgpu_rnn
from ._arrays import Array, Lengths, giver, lengths_of, read
from ._check import (
    MOST_INT32,
    MOST_SEED,
    argument,
    flag,
    made,
    new_file,
    real,
    shown,
    size,
    sizes,
)
from ._check import (
    path as path_of,
)
from ._targets import targets_of
from ._wgpu_rnn import Report
from .network import Network, Path
from .rules import Clip, Head, Loss, Optimizer, Schedule


@dataclass(frozen=True)
class Batch:
    """Sequences padded to the longest of them."""

    input: Array
    """``[T, N, I]``, zero past a sequence's end."""
    lengths: Array
    """Time steps of each sequence, ``[N]``."""
    labels: Array
    """The class of each sequence, ``[N]``."""


class Dataset:
    """Sequences with a class each.

    Args:
        sequences: arrays ``[T, I]`` of float32.
        labels: the class of each, from 0 on.
        step_multiple: batches are padded to a multiple of so many time steps.

    Raises:
        ValueError: for no sequence, sequences of other features, or another number of labels.
    """

    def __init__(self, sequences: Sequence[Any], labels: Sequence[int], *, step_multiple: int = 1) -> None:
        if isinstance(sequences, (str, bytes)) or not isinstance(sequences, Iterable):
            raise argument("sequences", "a sequence of arrays [T, I]", shown(sequences), TypeError)
        arrays = [read(f"sequence {place}", array) for place, array in enumerate(sequences)]
        classes = sizes("labels", labels, 0, MOST_INT32)
        self._dataset = _wgpu_rnn.Dataset(arrays, classes, size("step_multiple", step_multiple, 1))

    @classmethod
    def open(cls, path: Path, *, step_multiple: int = 1) -> Dataset:
        """Read a safetensors file with ``x``, ``length`` and ``label``.

        Raises:
            ValueError: for another file.
        """
        dataset = cls.__new__(cls)
        multiple = size("step_multiple", step_multiple, 1)
        dataset._dataset = _wgpu_rnn.Dataset.open(path_of("path", path), multiple)
        return dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self)} sequences, {self.features} features, {self.classes} classes>"

    @property
    def features(self) -> int:
        """I."""
        return self._dataset.features

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self._dataset.classes

    @property
    def lengths(self) -> list[int]:
        """Time steps of each sequence."""
        return self._dataset.lengths

    def batch(self, places: Sequence[int]) -> Batch:
        """Give the sequences of these places.

        Raises:
            ValueError: for a place that there is not, or none.
        """
        return Batch(*self._dataset.batch(sizes("places", places)))


class Loader:
    """The batches of every epoch: the same on every machine by the same seed.

    Args:
        dataset: the sequences.
        batch_size: sequences of a batch.
        seed: of the orders.
        shuffle: False for the dataset's own order.
        buckets: sequences of so many batches are sorted by length before they are cut into batches.
        drop_last: the rest of an epoch that is no whole batch is left out.
        rank: of this process among ``world``, each of which has a share of every epoch.
        world: the number of processes.

    Raises:
        ValueError: for sizes that make no batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        buckets: int = 1,
        drop_last: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._dataset = made("dataset", dataset, Dataset)
        self._loader = _wgpu_rnn.Loader(
            dataset.lengths,
            size("batch_size", batch_size, 1),
            size("seed", seed, 0, MOST_SEED),
            flag("shuffle", shuffle),
            size("buckets", buckets, 1),
            flag("drop_last", drop_last),
            size("rank", rank),
            size("world", world, 1),
        )

    def places(self, epoch: int) -> list[list[int]]:
        """Give the places of each batch of an epoch, from 0 on."""
        return self._loader.epoch(size("epoch", epoch))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Give the batches of an epoch, from 0 on."""
        return (self._dataset.batch(places) for places in self.places(epoch))


@dataclass(frozen=True)
class LossValue:
    """The loss of a batch."""

    loss: float
    rows: int
    right: int
    """Rows whose prediction is right."""


class Trainer:
    """Trains a network and a head on it, a batch at a time, where the network is computed.

    Args:
        network: the trainer has a network of its own, which begins as a copy of this one. Its ``dropout`` is
            applied.
        head: the layer that makes predictions.
        loss: of predictions and targets.
        optimizer: the rule.
        clip: a bound of gradients.
        schedule: of the learning rate.
        dropout_seed: the key of dropout's masks.
        accumulate: batches of an update. Those that are fewer at the end of training are no update: the
            weights do not change by them.
        carry_states: batches begin in the states in which those before ended.
        reduce: replaces a flat array of gradients by its sum over ranks, in place: once an update, for
            training on many machines.

    Raises:
        ValueError: for settings that are out of bounds, or that exclude each other or the network.
        TypeError: for an argument of another type.
    """

    def __init__(
        self,
        network: Network,
        head: Head,
        loss: Loss,
        optimizer: Optimizer,
        *,
        clip: Clip | None = None,
        schedule: Schedule | None = None,
        dropout_seed: int = 0,
        accumulate: int = 1,
        carry_states: bool = False,
        reduce: Callable[[Array], None] | None = None,
    ) -> None:
        if reduce is not None and not callable(reduce):
            raise argument("reduce", "a function of an array", shown(reduce), TypeError)
        seed = size("dropout_seed", dropout_seed, 0, MOST_SEED)
        dropout = made("network", network, Network).dropout
        self._trainer = _wgpu_rnn.Trainer(
            network._rnn,
            made("head", head, Head)._head,
            made("loss", loss, Loss)._loss,
            made("optimizer", optimizer, Optimizer)._optimizer,
            None if clip is None else made("clip", clip, Clip)._clip,
            None if schedule is None else made("schedule", schedule, Schedule)._schedule,
            (dropout, seed, 0, False) if dropout else None,
            size("accumulate", accumulate, 1),
            flag("carry_states", carry_states),
            reduce,
        )
        self._is_ctc = loss._name == "ctc"
        self._parts = {
            "head": head,
            "loss": loss,
            "optimizer": optimizer,
            "clip": clip,
            "schedule": schedule,
            "accumulate": None if accumulate == 1 else accumulate,
            "carry_states": carry_states or None,
        }
        self._network = repr(network)

    def __repr__(self) -> str:
        parts = [f"{name}={part!r}" for name, part in self._parts.items() if part is not None]
        return f"Trainer({', '.join([self._network, *parts])})"

    def step(self, input: Any, targets: Any, *, lengths: Lengths | None = None) -> list[Report]:
        """Train by a batch.

        Args:
            input: ``[T, N, I]``, or ``[N, T, I]`` of a batch-first network.
            targets: classes ``[N]`` or ``[T, N]``, numbers ``[N, C]`` or ``[T, N, C]``, or a list of labels
                for CTC; arrays are time first.
            lengths: N numbers from 0 to T.

        Returns:
            The reports of updates that are done since the last call; on a GPU they come some steps later.

        Raises:
            ValueError: for arrays that do not fit.
            RuntimeError: for a loss that is not finite; the parameters then stay.
        """
        return self._trainer.step(
            read("input", input), targets_of(targets, self._is_ctc), lengths_of(lengths)
        )

    def finish(self) -> list[Report]:
        """Give the reports that were not given back yet, once they are done.

        With ``accumulate``, batches after the last whole update stay in the sum of gradients, and have no
        report: the next batches complete their update.

        Raises:
            RuntimeError: for a loss that is not finite.
        """
        return self._trainer.finish()

    def predict(self, input: Any, *, lengths: Lengths | None = None) -> Any:
        """Give the predictions for an input, ``[T, N, C]``; T is 1 for one prediction of each sequence.

        Raises:
            ValueError: for arrays that do not fit.
        """
        predictions, give = self._trainer.predict(read("input", input), lengths_of(lengths)), giver(input)
        return predictions if give is None else give(predictions)

    def evaluate(self, input: Any, targets: Any, *, lengths: Lengths | None = None) -> LossValue:
        """Give the loss of a batch, from which nothing is learnt.

        Raises:
            ValueError: for arrays that do not fit.
        """
        found = self._trainer.evaluate(
            read("input", input), targets_of(targets, self._is_ctc), lengths_of(lengths)
        )
        return LossValue(*found)

    def observe(self, metric: float) -> None:
        """Give the metric of an epoch to ``Schedule.plateau``, which reduces the rate without progress.

        Other schedules ignore the metric. A metric that is not finite is no progress.

        Raises:
            TypeError: for a metric that is no number.
        """
        self._trainer.observe(real("metric", metric, math.inf))

    def reset_states(self) -> None:
        """Begin the next batch in zeros, or in the learned state, where states are carried."""
        self._trainer.reset_states()

    @property
    def engine(self) -> str:
        """The adapter, or the CPU."""
        return self._trainer.engine

    def state_dict(self) -> dict[str, Array]:
        """Give a copy of the weights, by name, with those of the head (``head.weight``, ``head.bias``)."""
        return dict(self._trainer.tensors())

    def save(self, path: Path) -> None:
        """Write the weights as safetensors; ``load`` reads the network of it.

        Args:
            path: the file, ``.safetensors``, which is written beside and then renamed.

        Raises:
            ValueError: for another ending, or a file that cannot be written.
        """
        self._trainer.save(new_file(path, ".safetensors"))

    def save_checkpoint(self, path: Path, beside: Any = None) -> None:
        """Write the whole state, from which a trainer that is made alike goes on with the same bits.

        Args:
            path: the file, ``.safetensors`` or without an ending, which is written beside and then renamed.
            beside: anything that JSON holds, such as the number of the epoch.

        Raises:
            ValueError: between batches that are accumulated, for another ending, for what JSON does not hold,
                and for a file that cannot be written.
        """
        try:
            text = json.dumps(beside, allow_nan=False)
        except (TypeError, ValueError) as found:
            raise argument("beside", "what JSON holds", f"{shown(beside)} ({found})") from None
        self._trainer.save_checkpoint(new_file(path, ".safetensors", ""), text)

    def restore(self, path: Path) -> Any:
        """Go on from a checkpoint, and give what stood beside.

        Raises:
            ValueError: for a checkpoint of another network or other settings, or one that is damaged.
        """
        return json.loads(self._trainer.restore(path_of("path", path)))
