"""A network on an engine, and the results of its calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np

from ._arrays import Array, Lengths, giver, is_tensor, lengths_of, read
from ._check import MOST_SEED, MOST_UINT32, argument, new_file, shown, size, text
from ._settings import DEFAULTS
from ._wgpu_rnn import Rnn
from .results import Output, SavedCall, output_of

if TYPE_CHECKING:
    from typing_extensions import Self

State = Union[Any, tuple[Any, Any]]

_ATTRIBUTES = {"_rnn", "_device", "_dtype", "dropout", "_settings", "_has_cell_state"}
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
        self._device, self._dtype = device, dtype
        self.dropout = dropout
        self._settings = rnn.settings
        stack = self._settings["stack"] or ()
        self._has_cell_state = self._settings["cell"] == "lstm" or any(cell == "lstm" for cell, _ in stack)

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and options by name, a copy."""
        return dict(self._settings)

    @property
    def input_size(self) -> int:
        """I, features of the input."""
        return cast(int, self._settings["input_size"])

    @property
    def hidden_size(self) -> int:
        """H, units of each layer and direction; of a ``Stack`` the largest of its layers."""
        return cast(int, self._settings["hidden_size"])

    @property
    def num_layers(self) -> int:
        """L, the number of layers."""
        return cast(int, self._settings["num_layers"])

    @property
    def bias(self) -> bool:
        """Whether the gates have biases."""
        return cast(bool, self._settings["bias"])

    @property
    def batch_first(self) -> bool:
        """Whether input and output are ``[N, T, C]``."""
        return cast(bool, self._settings["batch_first"])

    @property
    def bidirectional(self) -> bool:
        """Whether the sequence is read both ways."""
        return cast(bool, self._settings["bidirectional"])

    @property
    def proj_size(self) -> int:
        """P, units that the hidden state is projected to; 0 for none."""
        return cast(int, self._settings["proj_size"])

    @property
    def output_size(self) -> int:
        """The length of output's last axis."""
        return cast(int, self._settings["output_size"])

    @property
    def device(self) -> str:
        """The device's name, as it was given."""
        return self._device

    @property
    def dtype(self) -> str:
        """The type of arrays: ``float32``, ``float16`` or ``float64``."""
        return self._dtype

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
        seed = size("seed", seed, 0, MOST_SEED)
        dropping = None
        if drop is not None:
            dropping = (self.dropout, seed, size("drop", drop, 0, MOST_UINT32), False)
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

        ``Streams`` and trainers that were made before keep the weights that they have.

        Raises:
            ValueError: for a tensor that is missing, unknown, of another shape, or without real numbers that
                the dtype can hold. The weights then stay.
        """
        if not isinstance(state_dict, Mapping):
            raise argument("state_dict", "arrays by name", shown(state_dict), TypeError)
        dtype = np.dtype("float64" if self.dtype == "float64" else "float32")
        self._rnn.set_tensors(
            [(text("name", name), _weight(name, value, dtype)) for name, value in state_dict.items()]
        )

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

        Of a subclass, the network is made without a call of ``__init__``.

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
        from .layers import load, with_rnn

        network = load(
            file,
            prefix=prefix,
            activation=activation,
            device=device,
            dtype=dtype,
            dropout=dropout,
            **options,
        )
        if isinstance(network, cls):
            return network
        if issubclass(cls, type(network)):
            # A subclass, whose __init__ is not called.
            return cast("Self", with_rnn(cls, network._rnn, device=device, dtype=dtype, dropout=dropout))
        raise argument("file", f"a network of {cls.__name__}", network)

    def save(self, path: Path, *, naming: str = "pytorch") -> None:
        """Write the weights: ``.safetensors``, ``.params``, ``.npz`` or ``.onnx``, by the ending of the name.

        Args:
            path: the file, which is written beside and then renamed.
            naming: ``pytorch`` or ``gluon``, of safetensors and npz.

        Raises:
            ValueError: for a network that the format cannot hold, or a file that cannot be written.
        """
        self._rnn.save(new_file(path), text("naming", naming))

    def warm_up(self, steps: int, batch: int) -> None:
        """Make all that calls of T steps and N sequences need, so that the first one waits for nothing."""
        self._rnn.warm_up(size("steps", steps), size("batch", batch))

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as weights and settings; an engine is opened there."""
        arguments = {"device": self.device, "dtype": self.dtype, "dropout": self.dropout}
        if self.dtype == "float64":
            from .layers import restore_double

            made = (type(self), self.settings, self.state_dict(), arguments)
            return restore_double, made, self._own()
        from .layers import restore

        return restore, (type(self), self._rnn.to_bytes(), arguments), self._own()

    def _own(self) -> dict[str, Any] | None:
        """Give the attributes that a subclass or a program has added."""
        return {name: value for name, value in vars(self).items() if name not in _ATTRIBUTES} or None

    def __repr__(self) -> str:
        settings = self.settings
        if settings["stack"]:
            parts = [str(self.input_size), repr(settings["stack"])]
        else:
            parts = [str(self.input_size), str(self.hidden_size)]
        for name, default in DEFAULTS.items():
            if name == "num_layers" and settings["stack"]:
                continue
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
                raise argument("hx", "a pair (h_0, c_0)", _kind(hx))
            return read("h_0", hx[0]), read("c_0", hx[1])
        if isinstance(hx, (tuple, list)):
            raise argument("hx", "an array h_0", _kind(hx))
        return read("h_0", hx), None

    def _call_packed(
        self, input: Any, hx: State | None, lengths: Lengths | None, options: dict[str, Any] | None
    ) -> Output:
        """Compute packed sequences, whose states are in the caller's order."""
        h_0, c_0 = (None, None) if hx is None else self._state(hx)
        if input.sorted_indices is not None:
            order = read("sorted_indices", input.sorted_indices)
            for name, state in (("h_0", h_0), ("c_0", c_0)):
                if state is not None and (state.ndim != 3 or state.shape[1] != len(order)):
                    raise argument(name, f"[L*D, N, H] with N {len(order)}", list(state.shape))
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


def _weight(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """Read a tensor of weights as float32 or float64."""
    if is_tensor(value):
        # bfloat16 is no type of NumPy's.
        value = value.detach().cpu().double() if value.is_floating_point() else value.detach().cpu()
    array = read(name, value)
    if array.dtype.kind not in "fiu":
        raise argument(name, "real numbers", f"an array of {array.dtype}")
    with np.errstate(over="ignore"):
        weight: Array = array.astype(dtype, copy=False)
    if weight is not array and np.isinf(weight).any() and not np.isinf(array).any():
        raise argument(name, f"numbers that {dtype} can hold", "larger ones")
    return weight


def _is_packed(input: Any) -> bool:
    return isinstance(input, tuple) and hasattr(input, "batch_sizes")


def _kind(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, (tuple, list)) else f"one {type(value).__name__}"
