"""The results of calls, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._arrays import Array, GiveBack, read
from ._check import argument, flag, sizes
from ._wgpu_rnn import Rnn, Saved


class Output(NamedTuple):
    """All results of a call. Arrays over time are ``[T, N, C]``, ``[N, T, C]`` of a batch-first network."""

    output: Any
    h_n: Any
    c_n: Any | None
    output_reverse: Any | None
    cell_states: Any | None
    lower: list[Any]


# What help() shows of each field; a text below a field is for its readers alone.
for _name, _text in {
    "output": "The last layer's output at every step, C = D*H (D*P with a projection). "
    "Zero past a sequence's end.",
    "h_n": "The final hidden states, ``[L*D, N, H]`` (P with a projection).",
    "c_n": "The final cell states of an LSTM, ``[L*D, N, H]``.",
    "output_reverse": "The reverse direction's output, where directions are kept apart.",
    "cell_states": "The last layer's cell states at every step, if they were asked for.",
    "lower": "The outputs of the layers below the last, if they were asked for.",
}.items():
    getattr(Output, _name).__doc__ = _text


@dataclass(frozen=True)
class Gradients:
    """The gradients of a loss by all that a call took."""

    input: Array | None
    """By the input, in its shape."""
    h_0: Array
    """By the initial hidden state, also of a call without one."""
    c_0: Array | None
    """By the initial cell state of an LSTM."""
    flat: Array
    """By all weights, one after the other; zeros between them."""
    places: list[tuple[str, int, int, list[int]]]
    """Name, first number, end and shape of each tensor in ``flat``."""

    def weights(self) -> dict[str, Array]:
        """Give the gradients by name: views of ``flat``."""
        return {name: self.flat[start:end].reshape(shape) for name, start, end, shape in self.places}


class SavedCall:
    """A call whose gradients can be asked for, once."""

    def __init__(self, rnn: Rnn, saved: Saved, is_one: bool, batch: int) -> None:
        self._rnn, self._saved, self._is_one, self._batch = rnn, saved, is_one, batch

    def backward(
        self,
        output: Any = None,
        *,
        h_n: Any = None,
        c_n: Any = None,
        output_reverse: Any = None,
        cell_states: Any = None,
        lower: Sequence[Any] = (),
        frozen: Sequence[int] = (),
        wants_input: bool = True,
    ) -> Gradients:
        """Compute the gradients by input, initial states and weights.

        The arguments are the gradients of the loss by the results, in their shapes; one that is left out is
        zero.
        ``frozen`` layers have zeros by their weights.

        Raises:
            RuntimeError: for a call that was used before, or whose weights have changed.
            ValueError: for gradients that do not fit.
        """

        def part(name: str, value: Any, axis: int) -> Array | None:
            if value is None:
                return None
            array = read(f"gradient by {name}", value)
            if self._is_one and array.ndim != 2:
                raise argument(f"gradient by {name}", "2 axes, as of the result", array.ndim)
            return np.expand_dims(array, axis) if self._is_one else array

        by = {
            "output": part("output", output, self._batch),
            "output_reverse": part("output_reverse", output_reverse, self._batch),
            "cell_states": part("cell_states", cell_states, self._batch),
            "lower": [part("lower", value, self._batch) for value in lower],
            "h_n": part("h_n", h_n, 1),
            "c_n": part("c_n", c_n, 1),
        }
        layers = sizes("frozen", frozen)
        wants_input = flag("wants_input", wants_input)
        by_input, h_0, c_0, flat = self._rnn.backward(self._saved, by, wants_input, layers)
        places = self._rnn.places()
        # The reference, which computes in float64, freezes no layer.
        for name, start, end, _ in places if layers else ():
            if int(name.rsplit("_l", 1)[1].split("_")[0]) in layers:
                flat[start:end] = 0
        if self._is_one:
            by_input = None if by_input is None else by_input.squeeze(self._batch)
            h_0, c_0 = h_0.squeeze(1), None if c_0 is None else c_0.squeeze(1)
        return Gradients(by_input, h_0, c_0, flat, places)


def output_of(
    results: tuple[Array, Array, Array | None, dict[str, Any] | None], give: GiveBack | None
) -> Output:
    """Name the results of a call, as arrays or tensors."""
    output, h_n, c_n, more = results
    more = more or {}
    arrays = [output, h_n, c_n, more.get("output_reverse"), more.get("cell_states")]
    lower = more.get("lower", [])
    if give is not None:
        arrays = [None if array is None else give(array) for array in arrays]
        lower = [give(array) for array in lower]
    return Output(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], lower)
