"""What a trainer is made of: heads, losses, optimisers, clips, schedules."""

from __future__ import annotations

from collections.abc import Sequence

from . import _wgpu_rnn
from ._arrays import size


class Head:
    """The layer that makes predictions from the network's outputs.

    Args:
        reads: ``last_states``, ``mean`` or ``max`` over time, or ``every_step``.
        outputs: C, numbers of a prediction.
        seed: of its weights.

    Raises:
        ValueError: for another word.
    """

    def __init__(self, reads: str, outputs: int, *, seed: int = 0) -> None:
        self._head = _wgpu_rnn.Head(reads, size("outputs", outputs, 1), seed)


class Loss:
    """A loss, as ``torch.nn`` has it, the mean over all rows."""

    def __init__(self, loss: _wgpu_rnn.Loss) -> None:
        self._loss = loss

    @classmethod
    def cross_entropy(
        cls,
        class_weights: Sequence[float] | None = None,
        *,
        ignored: int | None = None,
        label_smoothing: float = 0.0,
    ) -> Loss:
        """Compare predictions with classes (``CrossEntropyLoss``)."""
        weights = None if class_weights is None else list(class_weights)
        return cls(_wgpu_rnn.Loss.cross_entropy(weights, ignored, label_smoothing))

    @classmethod
    def binary_cross_entropy(cls, positive_weights: Sequence[float] | None = None) -> Loss:
        """Compare every number with a probability (``BCEWithLogitsLoss``)."""
        weights = None if positive_weights is None else list(positive_weights)
        return cls(_wgpu_rnn.Loss.binary_cross_entropy(weights))

    @classmethod
    def mean_squared(cls) -> Loss:
        """Compare numbers by their squared difference (``MSELoss``)."""
        return cls(_wgpu_rnn.Loss.mean_squared())

    @classmethod
    def huber(cls, delta: float = 1.0) -> Loss:
        """Compare numbers by their squared difference, the difference from ``delta`` on (``HuberLoss``)."""
        return cls(_wgpu_rnn.Loss.huber(delta))

    @classmethod
    def ctc(cls, blank: int = 0, *, zero_infinity: bool = False) -> Loss:
        """Compare predictions of every step with a shorter label (``CTCLoss``)."""
        return cls(_wgpu_rnn.Loss.ctc(blank, zero_infinity))


class Optimizer:
    """A rule of ``torch.optim``, with its formula and its defaults."""

    def __init__(self, optimizer: _wgpu_rnn.Optimizer) -> None:
        self._optimizer = optimizer

    @classmethod
    def sgd(
        cls,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> Optimizer:
        """Make a step along the gradient (``SGD``)."""
        return cls(_wgpu_rnn.Optimizer.sgd(lr, momentum, dampening, weight_decay, nesterov))

    @classmethod
    def adam(
        cls,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> Optimizer:
        """Make a step by two moments (``Adam``)."""
        return cls(_wgpu_rnn.Optimizer.adam(lr, betas, eps, weight_decay, amsgrad))

    @classmethod
    def adamw(
        cls,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> Optimizer:
        """Make the same step, with the decay apart (``AdamW``)."""
        return cls(_wgpu_rnn.Optimizer.adamw(lr, betas, eps, weight_decay, amsgrad))

    @classmethod
    def rmsprop(
        cls,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> Optimizer:
        """Make a step by the mean square (``RMSprop``)."""
        return cls(_wgpu_rnn.Optimizer.rmsprop(lr, alpha, eps, weight_decay, momentum, centered))


class Clip:
    """A bound of gradients."""

    def __init__(self, clip: _wgpu_rnn.Clip) -> None:
        self._clip = clip

    @classmethod
    def norm(cls, max: float) -> Clip:
        """Bound the norm of all gradients (``clip_grad_norm_``)."""
        return cls(_wgpu_rnn.Clip.norm(max))

    @classmethod
    def value(cls, max: float) -> Clip:
        """Bound every number (``clip_grad_value_``)."""
        return cls(_wgpu_rnn.Clip.value(max))


class Schedule:
    """The learning rate over updates, which grows in the first ``warm_up`` of them."""

    def __init__(self, schedule: _wgpu_rnn.Schedule) -> None:
        self._schedule = schedule

    @classmethod
    def constant(cls, *, warm_up: int = 0) -> Schedule:
        """Keep it."""
        return cls(_wgpu_rnn.Schedule.constant(warm_up))

    @classmethod
    def step(cls, every: int, factor: float, *, warm_up: int = 0) -> Schedule:
        """Multiply it by a factor after so many updates (``StepLR``)."""
        return cls(_wgpu_rnn.Schedule.step(every, factor, warm_up))

    @classmethod
    def cosine(cls, steps: int, minimum: float = 0.0, *, warm_up: int = 0) -> Schedule:
        """Let it fall to a minimum in so many updates (``CosineAnnealingLR``)."""
        return cls(_wgpu_rnn.Schedule.cosine(steps, minimum, warm_up))

    @classmethod
    def plateau(
        cls,
        *,
        patience: int = 10,
        factor: float = 0.1,
        threshold: float = 1e-4,
        cooldown: int = 0,
        minimum: float = 0.0,
        maximize: bool = False,
        warm_up: int = 0,
    ) -> Schedule:
        """Multiply it when ``Trainer.observe`` is told no better number (``ReduceLROnPlateau``)."""
        made = _wgpu_rnn.Schedule.plateau(patience, factor, threshold, cooldown, minimum, maximize, warm_up)
        return cls(made)
