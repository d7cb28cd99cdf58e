"""What a trainer is made of: heads, losses, optimisers, clips, schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from . import _wgpu_rnn
from ._check import MOST_INT32, MOST_SEED, argument, flag, pair, real, reals, shown, size, text

_READS = ("last_states", "mean", "max", "every_step")


class _Rule:
    """A rule that one of its class's methods has made: it prints as that call, and is pickled as it."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        self._name, self._arguments = name, arguments

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())
        return f"{type(self).__name__}.{self._name}({arguments})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self._name, self._arguments)


def _again(kind: type[Any], name: str, arguments: dict[str, Any]) -> Any:
    """Make a rule that another process has sent."""
    return getattr(kind, name)(**arguments) if name else kind(**arguments)


class Head:
    """The layer that makes predictions from the network's outputs.

    Args:
        reads: ``last_states``, ``mean`` or ``max`` over time, or ``every_step``.
        outputs: C, numbers of a prediction.
        seed: of its weights. Two heads of one seed and one size have equal weights.

    Raises:
        ValueError: for another text, or a size of 0.
        TypeError: for an argument of another type.
    """

    def __init__(self, reads: str, outputs: int, *, seed: int = 0) -> None:
        if text("reads", reads) not in _READS:
            raise argument("reads", "last_states, mean, max or every_step", shown(reads))
        self._arguments: dict[str, Any] = {
            "reads": reads,
            "outputs": size("outputs", outputs, 1),
            "seed": size("seed", seed, 0, MOST_SEED),
        }
        self._head = _wgpu_rnn.Head(reads, self._arguments["outputs"], self._arguments["seed"])

    def __repr__(self) -> str:
        reads, outputs, seed = self._arguments.values()
        return f"Head({reads!r}, {outputs}, seed={seed})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), "", self._arguments)


class Loss(_Rule):
    """A loss, as ``torch.nn`` has it, a mean over all rows.

    Predictions are ``[T, N, C]``; T is 1 for a head that makes one prediction of each sequence. Predictions
    past a sequence's end do not count. ``Trainer.step`` has the shapes of targets.
    """

    def __init__(self, loss: _wgpu_rnn.Loss, name: str, **arguments: Any) -> None:
        super().__init__(name, arguments)
        self._loss = loss

    @classmethod
    def cross_entropy(
        cls,
        class_weights: Sequence[float] | None = None,
        *,
        ignored: int | None = None,
        label_smoothing: float = 0.0,
    ) -> Loss:
        """Compare predictions with classes (``CrossEntropyLoss``).

        Args:
            class_weights: C numbers; 1 each by default.
            ignored: the class of targets that do not count (``ignore_index``); -100 by default.
            label_smoothing: the share of a target that is spread over all classes, from 0 to 1.

        Raises:
            TypeError, ValueError: for arguments of other types or out of bounds; ``Trainer`` compares their
                number with C.
        """
        weights = None if class_weights is None else reals("class_weights", class_weights)
        if ignored is not None:
            ignored = size("ignored", ignored, -MOST_INT32 - 1, MOST_INT32)
        smoothing = real("label_smoothing", label_smoothing)
        made = _wgpu_rnn.Loss.cross_entropy(weights, ignored, smoothing)
        return cls(made, "cross_entropy", class_weights=weights, ignored=ignored, label_smoothing=smoothing)

    @classmethod
    def binary_cross_entropy(cls, positive_weights: Sequence[float] | None = None) -> Loss:
        """Compare every number with a probability (``BCEWithLogitsLoss``).

        Args:
            positive_weights: C numbers (``pos_weight``); 1 each by default.

        Raises:
            TypeError, ValueError: as ``cross_entropy``.
        """
        weights = None if positive_weights is None else reals("positive_weights", positive_weights)
        made = _wgpu_rnn.Loss.binary_cross_entropy(weights)
        return cls(made, "binary_cross_entropy", positive_weights=weights)

    @classmethod
    def mean_squared(cls) -> Loss:
        """Compare numbers by their squared difference (``MSELoss``)."""
        return cls(_wgpu_rnn.Loss.mean_squared(), "mean_squared")

    @classmethod
    def huber(cls, delta: float = 1.0) -> Loss:
        """Compare numbers by their difference, squared up to ``delta`` and linear beyond (``HuberLoss``).

        Args:
            delta: the difference from which on the loss is linear, above 0.

        Raises:
            TypeError, ValueError: as ``cross_entropy``.
        """
        delta = real("delta", delta)
        return cls(_wgpu_rnn.Loss.huber(delta), "huber", delta=delta)

    @classmethod
    def ctc(cls, blank: int = 0, *, zero_infinity: bool = False) -> Loss:
        """Compare predictions of every step with a shorter label (``CTCLoss``).

        Args:
            blank: the class of no label.
            zero_infinity: a sequence that is too short for its label has a loss of 0, not of infinity.

        Raises:
            TypeError, ValueError: as ``cross_entropy``.
        """
        blank, zero = size("blank", blank), flag("zero_infinity", zero_infinity)
        return cls(_wgpu_rnn.Loss.ctc(blank, zero), "ctc", blank=blank, zero_infinity=zero)


class Optimizer(_Rule):
    """A rule of ``torch.optim``, with its formula and its defaults.

    Args of all rules:
        lr: the learning rate, which a ``Schedule`` changes.
        weight_decay: the share of each weight that is added to its gradient; of ``adamw``, the share, times
            the learning rate, that is taken off the weight.

    Raises:
        TypeError: for an argument that is no number.
        ValueError: for one that is not finite; ``Trainer`` refuses those that are out of bounds.
    """

    def __init__(self, optimizer: _wgpu_rnn.Optimizer, name: str, **arguments: Any) -> None:
        super().__init__(name, arguments)
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
        """Make a step along the gradient (``SGD``).

        Args:
            lr: the learning rate.
            momentum: the share of the step before that is kept.
            dampening: the share of the gradient that is left out of the momentum.
            weight_decay: the share of each weight that is added to its gradient.
            nesterov: the gradient counts a step ahead; with a momentum and without dampening alone.
        """
        arguments = _reals(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
        arguments["nesterov"] = flag("nesterov", nesterov)
        return cls(_wgpu_rnn.Optimizer.sgd(*arguments.values()), "sgd", **arguments)

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
        """Make a step by means of the gradient and of its square (``Adam``).

        Args:
            lr: the learning rate.
            betas: the shares of both means that are kept, from 0 to below 1.
            eps: the number that is added to the divisor.
            weight_decay: the share of each weight that is added to its gradient.
            amsgrad: the divisor is that of the largest mean square so far.
        """
        arguments = _moments(lr, betas, eps, weight_decay, amsgrad)
        return cls(_wgpu_rnn.Optimizer.adam(*arguments.values()), "adam", **arguments)

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
        """Make Adam's step, and take the weight decay off the weights, not through the gradient (``AdamW``).

        Args:
            lr: as in ``adam``.
            betas: as in ``adam``.
            eps: as in ``adam``.
            weight_decay: the share, times the learning rate, that is taken off each weight.
            amsgrad: as in ``adam``.
        """
        arguments = _moments(lr, betas, eps, weight_decay, amsgrad)
        return cls(_wgpu_rnn.Optimizer.adamw(*arguments.values()), "adamw", **arguments)

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
        """Make a step by the mean square of the gradient (``RMSprop``).

        Args:
            lr: the learning rate.
            alpha: the share of the mean square that is kept, from 0 to 1.
            eps: the number that is added to the divisor.
            weight_decay: the share of each weight that is added to its gradient.
            momentum: the share of the step before that is kept.
            centered: the square of the mean is taken off the mean square.
        """
        arguments = _reals(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        arguments["centered"] = flag("centered", centered)
        return cls(_wgpu_rnn.Optimizer.rmsprop(*arguments.values()), "rmsprop", **arguments)


class Clip(_Rule):
    """A bound of gradients. The numbers are above 0; ``Trainer`` refuses others."""

    def __init__(self, clip: _wgpu_rnn.Clip, name: str, **arguments: Any) -> None:
        super().__init__(name, arguments)
        self._clip = clip

    @classmethod
    def norm(cls, max: float) -> Clip:
        """Bound the norm of all gradients (``clip_grad_norm_``).

        Args:
            max: the largest norm.
        """
        max = real("max", max, math.inf)
        return cls(_wgpu_rnn.Clip.norm(max), "norm", max=max)

    @classmethod
    def value(cls, max: float) -> Clip:
        """Bound every number (``clip_grad_value_``).

        Args:
            max: the largest number; the least is -max.
        """
        max = real("max", max, math.inf)
        return cls(_wgpu_rnn.Clip.value(max), "value", max=max)


class Schedule(_Rule):
    """The learning rate over updates.

    In the first ``warm_up`` updates the rate grows in equal steps to the optimiser's; the schedule's own
    updates are counted from there. ``Trainer`` refuses numbers that are out of bounds.
    """

    def __init__(self, schedule: _wgpu_rnn.Schedule, name: str, **arguments: Any) -> None:
        super().__init__(name, arguments)
        self._schedule = schedule

    @classmethod
    def constant(cls, *, warm_up: int = 0) -> Schedule:
        """Keep the learning rate.

        Args:
            warm_up: updates in which the rate grows.
        """
        warm_up = size("warm_up", warm_up)
        return cls(_wgpu_rnn.Schedule.constant(warm_up), "constant", warm_up=warm_up)

    @classmethod
    def step(cls, every: int, factor: float, *, warm_up: int = 0) -> Schedule:
        """Multiply the learning rate by a factor after so many updates (``StepLR``).

        Args:
            every: updates between two reductions.
            factor: of a reduction.
            warm_up: updates in which the rate grows.
        """
        arguments: dict[str, Any] = {
            "every": size("every", every),
            "factor": real("factor", factor),
            "warm_up": size("warm_up", warm_up),
        }
        return cls(_wgpu_rnn.Schedule.step(**arguments), "step", **arguments)

    @classmethod
    def cosine(cls, steps: int, minimum: float = 0.0, *, warm_up: int = 0) -> Schedule:
        """Let the learning rate fall to a minimum in so many updates (``CosineAnnealingLR``).

        Args:
            steps: updates until the minimum, at which the rate stays.
            minimum: the least rate.
            warm_up: updates in which the rate grows.
        """
        arguments: dict[str, Any] = {
            "steps": size("steps", steps),
            "minimum": real("minimum", minimum),
            "warm_up": size("warm_up", warm_up),
        }
        return cls(_wgpu_rnn.Schedule.cosine(**arguments), "cosine", **arguments)

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
        """Multiply the rate by a factor once ``Trainer.observe`` sees no progress (``ReduceLROnPlateau``).

        Args:
            patience: observations in a row without progress that change nothing yet.
            factor: of a reduction.
            threshold: the part of the best metric by which a better one exceeds it.
            cooldown: observations after a reduction that do not count.
            minimum: the least rate.
            maximize: a larger metric is better.
            warm_up: updates in which the rate grows.
        """
        arguments: dict[str, Any] = {
            "patience": size("patience", patience),
            "factor": real("factor", factor),
            "threshold": real("threshold", threshold),
            "cooldown": size("cooldown", cooldown),
            "minimum": real("minimum", minimum),
            "maximize": flag("maximize", maximize),
            "warm_up": size("warm_up", warm_up),
        }
        return cls(_wgpu_rnn.Schedule.plateau(**arguments), "plateau", **arguments)


def _reals(**arguments: Any) -> dict[str, Any]:
    return {name: real(name, value) for name, value in arguments.items()}


def _moments(lr: Any, betas: Any, eps: Any, weight_decay: Any, amsgrad: Any) -> dict[str, Any]:
    """Check the arguments of Adam, in the engine's order."""
    return {
        "lr": real("lr", lr),
        "betas": pair("betas", betas),
        "eps": real("eps", eps),
        "weight_decay": real("weight_decay", weight_decay),
        "amsgrad": flag("amsgrad", amsgrad),
    }
