"""The options of networks, by name: OPTIONS.md of the Rust library has the equations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Callable, TypedDict

from . import _check
from ._check import MOST_SEED, argument, size
from ._wgpu_rnn import Rnn


class Options(TypedDict, total=False):
    """Options of every cell.

    - ``reverse``: the sequence is read from its end alone.
    - ``merge``: of two directions: ``concatenate`` (the default), ``sum``, ``average``, ``multiply`` or
      ``apart``.
    - ``residual``: layers from the second on add their input to their output.
    - ``activations``: in ONNX's order, such as ``["hard_sigmoid:0.2:0.5", "tanh", "tanh"]``.
    - ``preactivation_clip``: the bound of the arguments of the gates' activations.
    - ``learned_state``: the initial state of calls without one is among the weights.
    - ``init``: ``pytorch`` (the default), ``gluon``, ``xavier``, ``orthogonal``.
    """

    reverse: bool
    merge: str
    residual: bool
    activations: Sequence[str] | None
    preactivation_clip: float | None
    learned_state: bool
    init: str


class LSTMOptions(Options, total=False):
    """Options of an LSTM beside those of every cell.

    - ``peepholes``: the gates see the cell state.
    - ``coupled_input_forget``: the forget gate is 1 - i.
    - ``layer_norm``: gates and cell state are normalised over the layer.
    - ``cell_clip``: the bounds of the cell state; with ``cell_clip_nan``, a NaN becomes the lower one.
    - ``forget_bias``: the value that the forget gate's bias begins with.
    """

    peepholes: bool
    coupled_input_forget: bool
    layer_norm: bool
    cell_clip: tuple[float, float] | None
    cell_clip_nan: bool
    forget_bias: float | None


class GRUOptions(Options, total=False):
    """Options of a GRU beside those of every cell.

    - ``reset``: the reset gate acts ``after`` the recurrent product (the default, as in PyTorch) or
      ``before``.
    """

    reset: str


NAMES = {
    "lstm": {*Options.__annotations__, *LSTMOptions.__annotations__},
    "gru": {*Options.__annotations__, *GRUOptions.__annotations__},
    "rnn": {*Options.__annotations__},
    "stack": {*Options.__annotations__, *LSTMOptions.__annotations__, *GRUOptions.__annotations__},
}


DEFAULTS: dict[str, Any] = {
    "num_layers": 1,
    "nonlinearity": "tanh",
    "bias": True,
    "batch_first": False,
    "bidirectional": False,
    "proj_size": 0,
    "reverse": False,
    "merge": "concatenate",
    "residual": False,
    "activations": None,
    "reset": "after",
    "peepholes": False,
    "coupled_input_forget": False,
    "layer_norm": False,
    "cell_clip": None,
    "cell_clip_nan": False,
    "preactivation_clip": None,
    "learned_state": False,
}


def _layers(name: str, value: Any) -> int:
    return size(name, value, 1)


def _bounds(name: str, value: Any) -> tuple[float, float]:
    # A bound may be infinite.
    return _check.pair(name, value, math.inf)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "num_layers": _layers,
    "proj_size": size,
    "activations": _check.texts,
    "cell_clip": _bounds,
    "preactivation_clip": _check.real,
    "forget_bias": _check.real,
    "merge": _check.text,
    "reset": _check.text,
    "init": _check.text,
}
"""How the value of an option is checked; those that are not here are True or False."""


def checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Check the kinds of values; those that are none are left out."""
    found = {}
    for name, value in settings.items():
        if value is not None:
            check: Callable[[str, Any], Any] = CHECKS.get(name, _check.flag)
            found[name] = check(name, value)
    return found


def check(cell: str, options: dict[str, Any]) -> None:
    """Refuse names that are no option of a cell."""
    for name in options:
        if name not in NAMES[cell]:
            kind = "a stack" if cell == "stack" else f"an {cell.upper()}" if cell != "gru" else "a GRU"
            known = ", ".join(sorted(NAMES[cell]))
            raise argument(f"option {name!r}", f"an option of {kind} ({known})", "none of them", TypeError)


def sizes(
    num_layers: int, bias: bool, batch_first: bool, bidirectional: bool, proj_size: int
) -> dict[str, Any]:
    """Give the sizes that every layer has, by name."""
    return {
        "num_layers": num_layers,
        "bias": bias,
        "batch_first": batch_first,
        "bidirectional": bidirectional,
        "proj_size": proj_size,
    }


def layer(place: int, given: Any) -> tuple[str, int]:
    """Check the cell and the size of a layer of a stack."""
    name = f"layer {place}"
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise argument(name, "a pair of a cell and a hidden size", _check.shown(given), TypeError)
    return _check.text(name, given[0]), size(name, given[1], 1)


def probability(value: float, num_layers: int) -> float:
    """Check a dropout probability, and warn of one that drops nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise argument("dropout", "a probability from 0 to 1", repr(value))
    if value > 0 and num_layers == 1:
        warnings.warn(
            f"dropout: expected 2 layers or more, between which it is applied, found dropout={value} and "
            "num_layers=1",
            UserWarning,
            stacklevel=4,
        )
    return float(value)


def draw(
    cell: str,
    input_size: int,
    hidden_size: int,
    options: dict[str, Any],
    *,
    stack: Sequence[tuple[str, int]] | None = None,
    device: str,
    dtype: str,
    seed: int,
) -> Rnn:
    """Make a network whose weights are drawn."""
    settings = checked(options)
    init, forget_bias = settings.pop("init", "pytorch"), settings.pop("forget_bias", None)
    settings.setdefault("num_layers", None)
    if stack is not None:
        stack = [layer(place, given) for place, given in enumerate(stack)]
    return Rnn.create(
        cell,
        size("input_size", input_size, 1),
        size("hidden_size", hidden_size, 1),
        stack,
        settings,
        _check.device(device),
        _check.text("dtype", dtype),
        init,
        size("seed", seed, 0, MOST_SEED),
        forget_bias,
    )
