"""The engine's networks of a module of PyTorch, and the weights that they have."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from . import _openmp, _settings
from ._arrays import Array
from ._wgpu_rnn import Rnn

# The multiply-adds of a call from which OpenMP's threads are paused, about 0.2 ms of a core.
_WORTH_A_PAUSE = 10_000_000


class Network:
    """A network, copies of its weights, and the number of calls that compute with them."""

    __slots__ = ("calls", "copies", "lock", "rnn")

    def __init__(self, rnn: Rnn) -> None:
        self.rnn = rnn
        self.copies: list[Array] = []
        self.calls = 0
        self.lock = threading.Lock()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.calls -= 1


class Networks:
    """A network of each dtype, made where it is needed.

    A saved call refers to this object, and not to the module, so that a module that keeps its own results is
    freed.
    """

    def __init__(self, cell: str, sizes: tuple[int, int], options: dict[str, Any], device: str) -> None:
        self._cell = cell
        self._sizes = sizes
        self._options = options
        self._device = device
        self._lock = threading.Lock()
        self._made: dict[str, Network] = {}
        self.places = self.rnn("float32").places()
        self.names = [name for name, _, _, _ in self.places]
        self.layers = [int(name.rsplit("_l", 1)[1].split("_")[0]) for name in self.names]

    def rnn(self, dtype: str) -> Rnn:
        """Give the network of a dtype, whatever its weights are."""
        with self._lock:
            return self._network(dtype).rnn

    def holding(self, dtype: str, arrays: list[Array]) -> Network:
        """Give a network that has these weights until its context ends.

        Threads may call a module with weights that differ. A network of calls that compute keeps its weights;
        the next call gets a new one.
        """
        with self._lock:
            network = self._network(dtype)
            # All numbers are compared: versions of PyTorch's tensors do not count changes of parameter.data.
            # By NumPy: threads of PyTorch's that have worked are awake for a while, and hold up the engine's.
            if not network.copies or not all(map(np.array_equal, network.copies, arrays)):
                if network.calls:
                    network = self._made[dtype] = self._draw(dtype)
                copies = [array.copy() for array in arrays]
                network.rnn.set_tensors(list(zip(self.names, copies)))
                network.copies = copies
            with network.lock:
                network.calls += 1
            return network

    def rest(self, dtype: str, numbers: int) -> None:
        """Leave the cores to the CPU engine, for a call of so many numbers of input that is long enough."""
        rows = numbers // self._sizes[0]
        if rows * self.places[-1][2] >= _WORTH_A_PAUSE and self.rnn(dtype).engine.startswith("CPU"):
            _openmp.rest()

    def _network(self, dtype: str) -> Network:
        network = self._made.get(dtype)
        if network is None:
            network = self._made[dtype] = self._draw(dtype)
        return network

    def _draw(self, dtype: str) -> Network:
        rnn = _settings.draw(
            self._cell, *self._sizes, self._options, device=self._device, dtype=dtype, seed=0
        )
        return Network(rnn)
