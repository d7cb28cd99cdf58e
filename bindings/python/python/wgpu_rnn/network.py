"""A network on an engine, and the results of its calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ._arrays import Array, Lengths, giver, is_tensor, lengths_of, read
from ._settings import DEFAULTS
from ._wgpu_rnn import Rnn
from .results import Output, SavedCall, output_of

if TYPE_CHECKING:
    from typing_extensions import Self

State = Union[Any, tuple[Any, Any]]
Path = Union[str, "os.PathLike[str]"]


class Network:
    """A recurrent network on an engine; the base of ``LSTM``, ``GRU``, ``RNN`` and ``Stack``.

    A network may be called by several threads at once. A call that takes long ends with ``KeyboardInterrupt``
    after Ctrl-C; the engine then goes on to its end without it. A fork of the process is refused.
    """

    _cell = ""

    def __init__(
        self, rnn: Rnn, *, dropout: float = 0.0, device: str = "auto", dtype: str = "float32"
    ) -> None:
        self._rnn = rnn
        self.dropout = dropout
        self.device = device
        self.dtype = dtype
        settings = rnn.settings
        self.settings: dict[str, Any] = settings
        """Sizes and options by name."""
        self.input_size: int = settings["input_size"]
        self.hidden_size: int = settings["hidden_size"]
        self.num_layers: int = settings["num_layers"]
        self.bias: bool = settings["bias"]
        self.batch_first: bool = settings["batch_first"]
        self.bidirectional: bool = settings["bidirectional"]
        self.proj_size: int = settings["proj_size"]
        self.output_size: int = settings["output_size"]
        """The length of output's last axis."""
        self._has_cell_state = settings["cell"] == "lstm" or any(
            cell == "lstm" for cell, _ in settings["stack"] or ()
        )

    @property
    def engine(self) -> str:
        """The adapter, or the CPU."""
        return self._rnn.engine

    def __call__(self, input: Any, hx: State | None = None, *, lengths: Lengths | None = None) -> Any:
        """Compute a call: ``output, (h_n, c_n)`` of an LSTM, ``output, h_n`` of others.

        Args:
            input: ``[T, N, I]``, ``[N, T, I]`` of a batch-first network, ``[T, I]`` of one sequence without
                an axis for the batch, or PyTorch's ``PackedSequence``. Arrays of NumPy and PyTorch, and
                others with ``__dlpack__`` or the buffer protocol, of the network's dtype (float32 for
                float16).
            hx: the state to start from: ``h_0`` ``[L*D, N, H]`` (P with a projection), and ``c_0``
                ``[L*D, N, H]`` of an LSTM; without the axis N of one sequence. Zeros, or the learned state,
                by default.
            lengths: N numbers from 0 to T, in any order. Output past a sequence's end is zero; final states
                are those at its own end.

        Returns:
            ``output`` ``[T, N, D*H]`` (``[N, T, D*H]``, ``[T, D*H]``; D*P with a projection; a pair where
            directions are kept apart), and the final states in the shapes of ``hx``. Of a tensor of PyTorch,
            tensors of its device; of a ``PackedSequence``, one.

        Raises:
            ValueError: for arrays that do not fit.
            MemoryError: for a call that the engine or memory cannot hold.
            RuntimeError: once the device is lost, or in a fork of the process.
        """
        if type(input) is np.ndarray:
            h_0, c_0 = (None, None) if hx is None else self._state(hx)
            output, h_n, c_n, more = self._rnn.call(
                input, h_0, c_0, None if lengths is None else lengths_of(lengths)
            )
            if more is not None:
                return (output, more["output_reverse"]), h_n if c_n is None else (h_n, c_n)
            return output, h_n if c_n is None else (h_n, c_n)
        result = self.call(input, hx, lengths=lengths)
        both = result.output if result.output_reverse is None else (result.output, result.output_reverse)
        return both, result.h_n if result.c_n is None else (result.h_n, result.c_n)

    def call(
        self,
        input: Any,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
        last_only: bool = False,
        cell_states: bool = False,
        every_layer: bool = False,
    ) -> Output:
        """Compute a call, with all of its results.

        Args:
            input: as in ``__call__``.
            hx: as in ``__call__``.
            lengths: as in ``__call__``.
            last_only: the last output of each direction alone; T of ``output`` is 1.
            cell_states: the last layer's cell states at every step, too.
            every_layer: the outputs of the layers below the last, too.

        Raises:
            ValueError, MemoryError, RuntimeError: as ``__call__``.
        """
        options = None
        if last_only or cell_states or every_layer:
            options = _options(last_only=last_only, cell_states=cell_states, every_layer=every_layer)
        if _is_packed(input):
            return self._call_packed(input, hx, lengths, options)
        h_0, c_0 = (None, None) if hx is None else self._state(hx)
        results = self._rnn.call(read("input", input), h_0, c_0, lengths_of(lengths), None, options)
        return output_of(results, giver(input))

    def forward_saved(
        self,
        input: Any,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
        last_only: bool = False,
        cell_states: bool = False,
        every_layer: bool = False,
        drop: int | None = None,
        seed: int = 0,
    ) -> tuple[Output, SavedCall]:
        """Compute a call, and keep what its gradients need.

        Args:
            input: as in ``__call__``, but for ``PackedSequence``.
            hx: as in ``__call__``.
            lengths: as in ``__call__``.
            last_only: as in ``call``.
            cell_states: as in ``call``.
            every_layer: as in ``call``.
            drop: the number of the call, whose masks the network's ``dropout`` draws; none for no dropout.
            seed: the key of the masks.

        Raises:
            ValueError, MemoryError, RuntimeError: as ``__call__``.
        """
        array = read("input", input)
        batch = 0 if self.batch_first else 1
        h_0, c_0 = (None, None) if hx is None else self._state(hx)
        dropping = None if drop is None else (self.dropout, seed, drop, False)
        options = _options(last_only, cell_states, every_layer, dropping)
        results, saved = self._rnn.forward_saved(array, h_0, c_0, lengths_of(lengths), options)
        return output_of(results, giver(input)), SavedCall(self._rnn, saved, array.ndim == 2, batch)

    def state_dict(self, *, as_torch: bool = False) -> dict[str, Any]:
        """Give a copy of the weights by PyTorch's names, as arrays of NumPy or as tensors of PyTorch."""
        if not as_torch:
            return dict(self._rnn.tensors())
        import torch

        return {name: torch.from_numpy(array) for name, array in self._rnn.tensors()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set the weights, by PyTorch's or Gluon's names: every tensor of the network, and no other.

        Raises:
            ValueError: for a tensor that is missing, unknown, or of another shape. The weights then stay.
        """
        dtype = np.float64 if self.dtype == "float64" else np.float32
        tensors = []
        for name, value in state_dict.items():
            if is_tensor(value):
                # bfloat16 is no type of NumPy's.
                value = value.detach().cpu().double() if value.is_floating_point() else value.detach().cpu()
            array = read(name, value)
            tensors.append((name, array.astype(dtype, copy=False)))
        self._rnn.set_tensors(tensors)

    @classmethod
    def load(
        cls,
        file: Path | bytes,
        *,
        prefix: str | None = None,
        activation: str | None = None,
        device: str = "auto",
        dtype: str = "float32",
        dropout: float = 0.0,
        **options: Any,
    ) -> Self:
        """Read the network of a file: safetensors, PyTorch, MXNet, NumPy, ONNX, Keras.

        Args:
            file: its path, or its bytes.
            prefix: the network, of a file with several: a module path, a node's or a layer's name.
            activation: of a vanilla RNN, where the file does not tell: ``tanh``, ``relu`` and others.
            device: as in the constructor.
            dtype: as in the constructor.
            dropout: as in the constructor.
            options: settings that the file does not tell, such as ``batch_first``.

        Raises:
            ValueError: for a file that cannot be read, or that holds no such network.
        """
        from .layers import load

        network = load(
            file,
            prefix=prefix,
            activation=activation,
            device=device,
            dtype=dtype,
            dropout=dropout,
            **options,
        )
        if not isinstance(network, cls):
            raise ValueError(f"file: expected a network of {cls.__name__}, found {network}")
        return network

    def save(self, path: Path, *, naming: str = "pytorch") -> None:
        """Write the weights: ``.safetensors``, ``.params``, ``.npz`` or ``.onnx``, by the ending of the name.

        Args:
            path: the file, which is written beside and then renamed.
            naming: ``pytorch`` or ``gluon``, of safetensors and npz.

        Raises:
            ValueError: for a network that the format cannot hold, or a file that cannot be written.
        """
        self._rnn.save(os.fspath(path), naming)

    def warm_up(self, steps: int, batch: int) -> None:
        """Make all that calls of T steps and N sequences need, so that the first one waits for nothing."""
        self._rnn.warm_up(steps, batch)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as weights and settings; an engine is opened there."""
        arguments = {"device": self.device, "dtype": self.dtype, "dropout": self.dropout}
        if self.dtype == "float64":
            from .layers import restore_double

            return restore_double, (type(self), self.settings, self.state_dict(), arguments)
        from .layers import restore

        return restore, (type(self), self._rnn.to_bytes(), arguments)

    def __repr__(self) -> str:
        settings = self.settings
        if settings["stack"]:
            parts = [str(self.input_size), repr(settings["stack"])]
        else:
            parts = [str(self.input_size), str(self.hidden_size)]
        for name, default in DEFAULTS.items():
            if settings.get(name, default) != default:
                parts.append(f"{name}={settings[name]!r}")
        if self.dropout:
            parts.append(f"dropout={self.dropout!r}")
        if self.dtype != "float32":
            parts.append(f"dtype={self.dtype!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _state(self, hx: State) -> tuple[Array, Array | None]:
        """Read a state: of a pair h_0 and c_0."""
        if self._has_cell_state:
            if not isinstance(hx, (tuple, list)) or len(hx) != 2:
                raise ValueError(f"hx: expected a pair (h_0, c_0), found {_kind(hx)}")
            return read("h_0", hx[0]), read("c_0", hx[1])
        if isinstance(hx, (tuple, list)):
            raise ValueError(f"hx: expected an array h_0, found {_kind(hx)}")
        return read("h_0", hx), None

    def _call_packed(
        self, input: Any, hx: State | None, lengths: Lengths | None, options: dict[str, Any] | None
    ) -> Output:
        """Compute packed sequences, whose states are in the caller's order."""
        h_0, c_0 = (None, None) if hx is None else self._state(hx)
        if input.sorted_indices is not None:
            order = read("sorted_indices", input.sorted_indices)
            h_0 = None if h_0 is None else h_0[:, order]
            c_0 = None if c_0 is None else c_0[:, order]
        sizes = lengths_of(input.batch_sizes)
        results = self._rnn.call(read("input", input.data), h_0, c_0, lengths_of(lengths), sizes, options)
        data, h_n, c_n, more = results
        if input.unsorted_indices is not None:
            order = read("unsorted_indices", input.unsorted_indices)
            h_n, c_n = h_n[:, order], None if c_n is None else c_n[:, order]
        result = output_of((data, h_n, c_n, more), giver(input.data))
        packed = type(input)(result.output, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
        return result._replace(output=packed)


def _options(
    last_only: bool = False,
    cell_states: bool = False,
    every_layer: bool = False,
    dropout: tuple[float, int, int, bool] | None = None,
) -> dict[str, Any]:
    return {
        "last_only": last_only,
        "cell_states": cell_states,
        "every_layer": every_layer,
        "dropout": dropout,
    }


def _is_packed(input: Any) -> bool:
    return isinstance(input, tuple) and hasattr(input, "batch_sizes")


def _kind(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, (tuple, list)) else f"one {type(value).__name__}"
