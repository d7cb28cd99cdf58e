"""Live streams through a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import _wgpu_rnn
from ._arrays import giver, read
from ._check import argument, made, shown, size
from ._wgpu_rnn import Stream
from .network import Network, State


class Streams:
    """Live streams through a network that reads forward only, whose states stay where it is computed.

    A stream's results are those of one call over all of its steps, whatever the other streams do. The weights
    are those that the network had when its ``Streams`` were made: a later ``load_state_dict`` does not change
    them.

    Args:
        network: forward only, time first.
        capacity: the most streams at once.

    Raises:
        ValueError: for another network, or a capacity of 0.
    """

    def __init__(self, network: Network, capacity: int) -> None:
        self._network = made("network", network, Network)
        self._streams = _wgpu_rnn.Streams(network._rnn, size("capacity", capacity, 1))

    def join(self) -> Stream:
        """Begin a stream, in zeros or in the learned state.

        Raises:
            RuntimeError: if all places are taken.
        """
        return self._streams.join()

    def leave(self, stream: Stream) -> None:
        """End a stream.

        Raises:
            RuntimeError: for a stream that has left.
        """
        self._streams.leave(made("stream", stream, Stream))

    def reset(self, stream: Stream) -> None:
        """Begin a stream anew.

        Raises:
            RuntimeError: for a stream that has left.
        """
        self._streams.reset(made("stream", stream, Stream))

    def save(self, stream: Stream) -> State:
        """Give the state of a stream: h ``[L, 1, H]``, or a pair of h and c of an LSTM.

        Raises:
            RuntimeError: for a stream that has left.
        """
        h, c = self._streams.save(made("stream", stream, Stream))
        return h if c is None else (h, c)

    def load(self, stream: Stream, state: State) -> None:
        """Set the state of a stream, as ``save`` gives it.

        Raises:
            ValueError: for a state that does not fit.
            RuntimeError: for a stream that has left.
        """
        self._streams.load(made("stream", stream, Stream), *self._network._state(state))

    def call(self, steps: Iterable[tuple[Stream, Any]]) -> list[Any]:
        """Compute the next steps of some streams.

        Args:
            steps: streams, each with an array ``[T, I]`` of 1 to 16 steps.

        Returns:
            The outputs, ``[T, C]`` each, in the same order.

        Raises:
            ValueError: for steps of another size, or a stream that is named twice.
            RuntimeError: for a stream that has left.
        """
        steps = list(steps)
        for step in steps:
            if not isinstance(step, (tuple, list)) or len(step) != 2:
                raise argument("steps", "pairs of a stream and an array", shown(step), TypeError)
        given = [(made("stream", stream, Stream), read("steps", array)) for stream, array in steps]
        outputs = self._streams.call(given)
        givers = [giver(array) for _, array in steps]
        return [output if give is None else give(output) for output, give in zip(outputs, givers)]
