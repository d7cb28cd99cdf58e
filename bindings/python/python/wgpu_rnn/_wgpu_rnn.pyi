from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

_Array = npt.NDArray[Any]
_Results = tuple[_Array, _Array, _Array | None, dict[str, Any] | None]
_Dropout = tuple[float, int, int, bool]

def engine_name(device: str = "auto") -> str: ...

class Rnn:
    @staticmethod
    def create(
        cell: str,
        input_size: int,
        hidden_size: int,
        stack: Sequence[tuple[str, int]] | None,
        settings: dict[str, Any],
        device: str,
        dtype: str,
        init: str,
        seed: int,
        forget_bias: float | None,
    ) -> Rnn: ...
    @staticmethod
    def load(
        path: str | None,
        contents: bytes | None,
        prefix: str | None,
        activation: str | None,
        settings: dict[str, Any],
        device: str,
        dtype: str,
    ) -> Rnn: ...
    def call(
        self,
        input: _Array,
        h_0: _Array | None = None,
        c_0: _Array | None = None,
        lengths: list[int] | None = None,
        batch_sizes: list[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> _Results: ...
    def forward_saved(
        self,
        input: _Array,
        h_0: _Array | None = None,
        c_0: _Array | None = None,
        lengths: list[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[_Results, Saved]: ...
    def backward(
        self, saved: Saved, by: dict[str, Any], wants_input: bool, frozen: list[int]
    ) -> tuple[_Array | None, _Array, _Array | None, _Array]: ...
    def tensors(self) -> list[tuple[str, _Array]]: ...
    def set_tensors(self, tensors: list[tuple[str, _Array]]) -> None: ...
    def places(self) -> list[tuple[str, int, int, list[int]]]: ...
    def save(self, path: str, naming: str) -> None: ...
    def to_bytes(self) -> bytes: ...
    def warm_up(self, steps: int, batch: int) -> None: ...
    @property
    def engine(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...

class Saved: ...

class Stream:
    def __hash__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...

class Streams:
    def __new__(cls, rnn: Rnn, capacity: int) -> Streams: ...
    def join(self) -> Stream: ...
    def leave(self, stream: Stream) -> None: ...
    def reset(self, stream: Stream) -> None: ...
    def save(self, stream: Stream) -> tuple[_Array, _Array | None]: ...
    def load(self, stream: Stream, h: _Array, c: _Array | None = None) -> None: ...
    def call(self, steps: list[tuple[Stream, _Array]]) -> list[_Array]: ...

class Dataset:
    def __new__(cls, sequences: list[_Array], labels: list[int], step_multiple: int) -> Dataset: ...
    @staticmethod
    def open(path: str, step_multiple: int) -> Dataset: ...
    def __len__(self) -> int: ...
    @property
    def features(self) -> int: ...
    @property
    def classes(self) -> int: ...
    @property
    def lengths(self) -> list[int]: ...
    def batch(self, places: list[int]) -> tuple[_Array, _Array, _Array]: ...

class Loader:
    def __new__(
        cls,
        lengths: list[int],
        batch_size: int,
        seed: int,
        shuffle: bool,
        buckets: int,
        drop_last: bool,
        rank: int,
        world: int,
    ) -> Loader: ...
    def epoch(self, epoch: int) -> list[list[int]]: ...

class Head:
    def __new__(cls, reads: str, outputs: int, seed: int) -> Head: ...

class Loss:
    @staticmethod
    def cross_entropy(
        class_weights: list[float] | None, ignored: int | None, label_smoothing: float
    ) -> Loss: ...
    @staticmethod
    def binary_cross_entropy(positive_weights: list[float] | None) -> Loss: ...
    @staticmethod
    def mean_squared() -> Loss: ...
    @staticmethod
    def huber(delta: float) -> Loss: ...
    @staticmethod
    def ctc(blank: int, zero_infinity: bool) -> Loss: ...

class Optimizer:
    @staticmethod
    def sgd(
        lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool
    ) -> Optimizer: ...
    @staticmethod
    def adam(
        lr: float, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool
    ) -> Optimizer: ...
    @staticmethod
    def adamw(
        lr: float, betas: tuple[float, float], eps: float, weight_decay: float, amsgrad: bool
    ) -> Optimizer: ...
    @staticmethod
    def rmsprop(
        lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, centered: bool
    ) -> Optimizer: ...

class Clip:
    @staticmethod
    def norm(max: float) -> Clip: ...
    @staticmethod
    def value(max: float) -> Clip: ...

class Schedule:
    @staticmethod
    def constant(warm_up: int) -> Schedule: ...
    @staticmethod
    def step(every: int, factor: float, warm_up: int) -> Schedule: ...
    @staticmethod
    def cosine(steps: int, minimum: float, warm_up: int) -> Schedule: ...
    @staticmethod
    def plateau(
        patience: int,
        factor: float,
        threshold: float,
        cooldown: int,
        minimum: float,
        maximize: bool,
        warm_up: int,
    ) -> Schedule: ...

class Report:
    """An update of the parameters."""

    @property
    def step(self) -> int:
        """The number of the update; the first is 1."""
    @property
    def loss(self) -> float:
        """The mean over the rows of all accumulated batches."""
    @property
    def rows(self) -> int:
        """Rows that the loss is a mean of."""
    @property
    def right(self) -> int:
        """Rows whose prediction is right."""
    @property
    def norm(self) -> float:
        """The norm of all gradients before clipping."""
    @property
    def learning_rate(self) -> float:
        """The learning rate."""

class Trainer:
    def __new__(
        cls,
        rnn: Rnn,
        head: Head,
        loss: Loss,
        optimizer: Optimizer,
        clip: Clip | None,
        schedule: Schedule | None,
        dropping: _Dropout | None,
        accumulate: int,
        carry_states: bool,
        reduce: Callable[[_Array], None] | None,
    ) -> Trainer: ...
    def step(self, input: _Array, targets: Any, lengths: list[int] | None) -> list[Report]: ...
    def finish(self) -> list[Report]: ...
    def predict(self, input: _Array, lengths: list[int] | None) -> _Array: ...
    def evaluate(self, input: _Array, targets: Any, lengths: list[int] | None) -> tuple[float, int, int]: ...
    def observe(self, metric: float) -> None: ...
    def reset_states(self) -> None: ...
    @property
    def engine(self) -> str: ...
    def tensors(self) -> list[tuple[str, _Array]]: ...
    def save(self, path: str) -> None: ...
    def save_checkpoint(self, path: str, beside: str) -> None: ...
    def restore(self, path: str) -> str: ...
