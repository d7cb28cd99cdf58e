"""Training without PyTorch: heads, losses, optimisers and the loop, on the engine of the network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np

from . import _wgpu_rnn
from ._arrays import Array, Lengths, giver, lengths_of, read
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
        arrays = [read(f"sequence {place}", array) for place, array in enumerate(sequences)]
        self._dataset = _wgpu_rnn.Dataset(arrays, [int(label) for label in labels], step_multiple)

    @classmethod
    def open(cls, path: Path, *, step_multiple: int = 1) -> Dataset:
        """Read a safetensors file with ``x``, ``length`` and ``label``.

        Raises:
            ValueError: for another file.
        """
        dataset = cls.__new__(cls)
        dataset._dataset = _wgpu_rnn.Dataset.open(os.fspath(path), step_multiple)
        return dataset

    def __len__(self) -> int:
        return len(self._dataset)

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
        return Batch(*self._dataset.batch(list(places)))


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
        self._dataset = dataset
        self._loader = _wgpu_rnn.Loader(
            dataset.lengths, batch_size, seed, shuffle, buckets, drop_last, rank, world
        )

    def places(self, epoch: int) -> list[list[int]]:
        """Give the places of each batch of an epoch, from 0 on."""
        return self._loader.epoch(epoch)

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
        accumulate: batches of an update.
        carry_states: batches begin in the states in which those before ended.
        reduce: replaces a flat array of gradients by its sum over ranks, in place: once an update, for
            training on many machines.

    Raises:
        ValueError: for settings that exclude each other or the network.
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
        dropping = (network.dropout, dropout_seed, 0, False) if network.dropout else None
        self._trainer = _wgpu_rnn.Trainer(
            network._rnn,
            head._head,
            loss._loss,
            optimizer._optimizer,
            None if clip is None else clip._clip,
            None if schedule is None else schedule._schedule,
            dropping,
            accumulate,
            carry_states,
            reduce,
        )

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
        return self._trainer.step(read("input", input), _targets(targets), lengths_of(lengths))

    def finish(self) -> list[Report]:
        """Give the reports that were not given back yet, once they are done.

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
        found = self._trainer.evaluate(read("input", input), _targets(targets), lengths_of(lengths))
        return LossValue(*found)

    def observe(self, metric: float) -> None:
        """Tell a schedule that waits for a plateau of a number."""
        self._trainer.observe(metric)

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

        Raises:
            ValueError: for a file that cannot be written.
        """
        self._trainer.save(os.fspath(path))

    def save_checkpoint(self, path: Path, beside: Any = None) -> None:
        """Write the whole state, from which a trainer that is made alike goes on with the same bits.

        Args:
            path: the file, a safetensors file that is written beside and then renamed.
            beside: anything that JSON holds, such as the number of the epoch.

        Raises:
            ValueError: between batches that are accumulated, and for a file that cannot be written.
        """
        self._trainer.save_checkpoint(os.fspath(path), json.dumps(beside))

    def restore(self, path: Path) -> Any:
        """Go on from a checkpoint, and give what stood beside.

        Raises:
            ValueError: for a checkpoint of another network or other settings, or one that is damaged.
        """
        return json.loads(self._trainer.restore(os.fspath(path)))


def _targets(value: Any) -> Any:
    """Read targets: classes as int32, numbers as they are, labels as lists."""
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, np.integer)):
        return [[int(number) for number in label] for label in value]
    array = np.asarray(value) if isinstance(value, (list, tuple)) else read("targets", value)
    if array.dtype.kind not in "iu":
        return array
    if array.size and (array.max() > np.iinfo(np.int32).max or array.min() < np.iinfo(np.int32).min):
        raise ValueError("targets: expected classes of 32 bits, found larger ones")
    return array.astype(np.int32)
