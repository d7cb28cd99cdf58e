"""The networks as modules of PyTorch, with gradients: ``LSTM``, ``GRU``, ``RNN``.

They have the arguments, parameters, names and first weights of ``torch.nn.LSTM`` and the others, and drop
into their places. In float32 the engine computes; in float64 (``module.double()``) the slow reference, for
checks. There is no double backward.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, Union, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from . import _openmp, _settings
from ._arrays import Array, Lengths, lengths_of, size
from ._settings import GRUOptions, LSTMOptions, Options
from ._wgpu_rnn import Rnn, Saved

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GRU", "LSTM", "RNN"]

_DTYPES = {torch.float32: "float32", torch.float64: "float64"}

# The multiply-adds of a call from which OpenMP's threads are paused, about 0.2 ms of a core.
_WORTH_A_PAUSE = 10_000_000

# The five tensors of a layer that PyTorch has too, all drawn alike.
_PLAIN = ("weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l", "weight_hr_l")

State = Union[Tensor, tuple[Tensor, Tensor]]


class _Layer(nn.Module):
    """A recurrent network whose parameters are PyTorch's, and whose gradients are the library's."""

    _cell = ""

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        sizes: dict[str, Any],
        dropout: float,
        device: str,
        dtype: torch.dtype | None,
        options: dict[str, Any],
    ) -> None:
        super().__init__()
        for name in ("init", "forget_bias"):
            if name in options:
                raise TypeError(f"option {name!r}: expected none, since PyTorch draws the weights")
        if options.get("merge") == "apart":
            raise ValueError("merge: expected concatenate, sum, average or multiply, found 'apart'")
        self.input_size = size("input_size", input_size, 1)
        self.hidden_size = size("hidden_size", hidden_size, 1)
        self.num_layers = size("num_layers", sizes["num_layers"], 1)
        self.bias: bool = sizes["bias"]
        self.batch_first: bool = sizes["batch_first"]
        self.dropout = _settings.probability(dropout, self.num_layers)
        self.bidirectional: bool = sizes["bidirectional"]
        self.proj_size = size("proj_size", sizes["proj_size"])
        self.device_name = device
        self._made = (cell, input_size, hidden_size, {**sizes, **options})
        self._reset_rnns()
        first = self._rnn("float32")
        self._names = [name for name, _, _, _ in first.places()]
        self._layers = [int(name.rsplit("_l", 1)[1].split("_")[0]) for name in self._names]
        for name, drawn in first.tensors():
            parameter = torch.from_numpy(drawn)
            self.register_parameter(name, nn.Parameter(parameter if dtype is None else parameter.to(dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights that PyTorch's module has as it draws them, in its order."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if name.startswith(_PLAIN):
                nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: the engine has the weights in one array."""

    @property
    def engine(self) -> str:
        """The adapter, or the CPU."""
        return self._rnn("float32").engine

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: State | None = None,
        *,
        lengths: Lengths | None = None,
    ) -> Any:
        """Compute a call: ``output, (h_n, c_n)`` of an LSTM, ``output, h_n`` of others.

        Args:
            input: ``[T, N, I]``, ``[N, T, I]`` if batch first, ``[T, I]`` of one sequence, or packed
                sequences.
            hx: ``h_0`` ``[L*D, N, H]`` (P with a projection), and ``c_0`` ``[L*D, N, H]`` of an LSTM; without
                N of one sequence. Zeros by default.
            lengths: N numbers from 0 to T, in any order.

        Raises:
            ValueError: for tensors that do not fit.
        """
        h_0, c_0 = self._state(hx)
        if isinstance(input, PackedSequence):
            return self._packed(input, h_0, c_0, lengths)
        is_one = input.dim() == 2
        batch = 0 if self.batch_first else 1
        if is_one:
            for name, state in (("h_0", h_0), ("c_0", c_0)):
                if state is not None and state.dim() != 2:
                    raise ValueError(f"{name}: expected 2 axes beside an input of 2, found {state.dim()}")
            input = input.unsqueeze(batch)
            h_0, c_0 = (None if state is None else state.unsqueeze(1) for state in (h_0, c_0))
        output, h_n, c_n = self._call(input, h_0, c_0, lengths_of(lengths))
        if is_one:
            output, h_n = output.squeeze(batch), h_n.squeeze(1)
            c_n = None if c_n is None else c_n.squeeze(1)
        return output, h_n if c_n is None else (h_n, c_n)

    def extra_repr(self) -> str:
        """Give the sizes as PyTorch's module does, and the engine."""
        parts = [str(self.input_size), str(self.hidden_size)]
        for name, default in _settings.DEFAULTS.items():
            value = self._made[3].get(name, default)
            if value != default:
                parts.append(f"{name}={value!r}")
        if self.dropout:
            parts.append(f"dropout={self.dropout!r}")
        return ", ".join([*parts, f"engine={self.engine!r}"])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the engine's networks, which are made again where they are needed."""
        return {
            name: value for name, value in self.__dict__.items() if name not in ("_rnns", "_sent", "_lock")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        nn.Module.__setstate__(self, state)  # type: ignore[no-untyped-call]
        self._reset_rnns()

    def _reset_rnns(self) -> None:
        self._rnns: dict[str, Rnn] = {}
        self._sent: dict[str, tuple[list[int], list[Array]]] = {}
        self._lock = threading.Lock()

    def _rnn(self, dtype: str) -> Rnn:
        rnn = self._rnns.get(dtype)
        if rnn is None:
            cell, input_size, hidden_size, options = self._made
            rnn = _settings.draw(
                cell, input_size, hidden_size, options, device=self.device_name, dtype=dtype, seed=0
            )
            self._rnns[dtype] = rnn
        return rnn

    def _state(self, hx: State | None) -> tuple[Tensor | None, Tensor | None]:
        if hx is None:
            return None, None
        if self._cell == "lstm":
            if not isinstance(hx, (tuple, list)) or len(hx) != 2:
                raise ValueError(f"hx: expected a pair (h_0, c_0), found one {type(hx).__name__}")
            return hx[0], hx[1]
        if not isinstance(hx, Tensor):
            raise ValueError(f"hx: expected a tensor h_0, found one {type(hx).__name__}")
        return hx, None

    def _packed(
        self, input: PackedSequence, h_0: Tensor | None, c_0: Tensor | None, lengths: Lengths | None
    ) -> Any:
        """Compute packed sequences: padded, in the order of their lengths."""
        if lengths is not None:
            raise ValueError("lengths: expected none beside packed input, which has its own, found some")
        data, sizes, order, back = input
        if order is not None:
            h_0, c_0 = (None if state is None else state.index_select(1, order) for state in (h_0, c_0))
        padded, own = pad_packed_sequence(PackedSequence(data, sizes), batch_first=self.batch_first)
        output, h_n, c_n = self._call(padded, h_0, c_0, own.tolist())
        packed = pack_padded_sequence(output, own, batch_first=self.batch_first)
        if back is not None:
            h_n = h_n.index_select(1, back)
            c_n = None if c_n is None else c_n.index_select(1, back)
        output = PackedSequence(packed.data, sizes, order, back)
        return output, h_n if c_n is None else (h_n, c_n)

    def _call(
        self, input: Tensor, h_0: Tensor | None, c_0: Tensor | None, lengths: list[int] | None
    ) -> tuple[Any, Tensor, Tensor | None]:
        parameters: list[nn.Parameter] = [getattr(self, name) for name in self._names]
        dtype = parameters[0].dtype
        if dtype not in _DTYPES:
            raise ValueError(f"dtype: expected parameters of float32 or float64, found {dtype}")
        for name, tensor in (("input", input), ("h_0", h_0), ("c_0", c_0)):
            if tensor is not None and tensor.dtype != dtype:
                raise ValueError(f"{name}: expected {dtype}, as the parameters are, found {tensor.dtype}")
        dropping = None
        if self.training and self.dropout > 0:
            seed = int(torch.randint(2**62, ()).item())
            dropping = (self.dropout, seed, 0, False)
        if torch.is_grad_enabled() and any(
            tensor is not None and tensor.requires_grad for tensor in (input, h_0, c_0, *parameters)
        ):
            results = _Call.apply(self, _DTYPES[dtype], lengths, dropping, input, h_0, c_0, *parameters)
            return cast("tuple[Tensor, Tensor, Tensor | None]", results)
        arrays = [None if tensor is None else _array(tensor) for tensor in (input, h_0, c_0)]
        with self._lock:
            rnn = self._synced(_DTYPES[dtype], parameters)
        self._rest(input)
        output, h_n, c_n, _ = rnn.call(
            cast(Array, arrays[0]), arrays[1], arrays[2], lengths, None, _options(dropping)
        )
        return _tensor(output, input), _tensor(h_n, input), None if c_n is None else _tensor(c_n, input)

    def _synced(self, dtype: str, parameters: list[nn.Parameter]) -> Rnn:
        """Give the engine's network with the parameters as they are now."""
        rnn = self._rnn(dtype)
        versions, copies = self._sent.get(dtype, ([], []))
        now = [parameter._version for parameter in parameters]
        # By NumPy: threads of PyTorch's that have worked are awake for a while, and hold up the engine's.
        arrays = [_array(parameter) for parameter in parameters]
        # A change of parameter.data is not counted.
        if versions != now or not all(map(np.array_equal, copies, arrays)):
            copies = [array.copy() for array in arrays]
            rnn.set_tensors(list(zip(self._names, copies)))
            self._sent[dtype] = (now, copies)
        return rnn

    def _rest(self, input: Tensor) -> None:
        """Leave the cores to the CPU engine, for a call that is long enough."""
        rows = input.numel() // max(1, self.input_size)
        if rows * sum(parameter.numel() for parameter in self.parameters()) < _WORTH_A_PAUSE:
            return
        if self.engine.startswith("CPU"):
            _openmp.rest()


class _Call(torch.autograd.Function):
    """A call that is saved, and its backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        layer: _Layer,
        dtype: str,
        lengths: list[int] | None,
        dropping: tuple[float, int, int, bool] | None,
        input: Tensor,
        h_0: Tensor | None,
        c_0: Tensor | None,
        *parameters: nn.Parameter,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        arguments = (layer, dtype, lengths, dropping)
        ctx.arguments = arguments
        (output, h_n, c_n, _), ctx.rnn, ctx.saved = _saved(arguments, (input, h_0, c_0), list(parameters))
        ctx.save_for_backward(input, h_0, c_0, *parameters)
        ctx.set_materialize_grads(False)
        return _tensor(output, input), _tensor(h_n, input), None if c_n is None else _tensor(c_n, input)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_output: Tensor | None, by_h: Tensor | None, by_c: Tensor | None
    ) -> tuple[Any, ...]:
        nothing: tuple[Any, ...] = (None, None, None, None)
        input, h_0, c_0, *parameters = ctx.saved_tensors
        if by_output is None and by_h is None and by_c is None:
            return nothing + (None,) * (3 + len(parameters))
        layer = ctx.arguments[0]
        wants = ctx.needs_input_grad[4:]
        learning = {layer._layers[place] for place, wanted in enumerate(wants[3:]) if wanted}
        frozen = [number for number in range(layer.num_layers) if number not in learning]
        by = {
            "output": None if by_output is None else _array(by_output),
            "h_n": None if by_h is None else _array(by_h),
            "c_n": None if by_c is None else _array(by_c),
        }
        rnn = ctx.rnn
        layer._rest(input)
        try:
            by_input, by_h_0, by_c_0, flat = rnn.backward(ctx.saved, by, wants[0], frozen)
        except RuntimeError as error:
            # A graph that is retained is gone through again; a network may have had other weights since.
            if getattr(error, "code", "") not in ("SavedUsed", "WeightsChanged"):
                raise
            _, rnn, saved = _saved(ctx.arguments, (input, h_0, c_0), parameters)
            by_input, by_h_0, by_c_0, flat = rnn.backward(saved, by, wants[0], frozen)
        gradients: list[Any] = [
            _tensor(by_input, input) if wants[0] and by_input is not None else None,
            _tensor(by_h_0, input) if wants[1] else None,
            _tensor(by_c_0, input) if wants[2] and by_c_0 is not None else None,
        ]
        whole = _tensor(flat, input)
        for wanted, (_, start, end, shape) in zip(wants[3:], rnn.places()):
            gradients.append(whole[start:end].view(shape) if wanted else None)
        return (*nothing, *gradients)


def _saved(
    arguments: tuple[_Layer, str, list[int] | None, tuple[float, int, int, bool] | None],
    inputs: tuple[Tensor, Tensor | None, Tensor | None],
    parameters: list[nn.Parameter],
) -> tuple[Any, Rnn, Saved]:
    layer, dtype, lengths, dropping = arguments
    input, h_0, c_0 = (None if tensor is None else _array(tensor) for tensor in inputs)
    # The saved call has the weights that it was computed with.
    with layer._lock:
        rnn = layer._synced(dtype, parameters)
    layer._rest(inputs[0])
    results, saved = rnn.forward_saved(cast(Array, input), h_0, c_0, lengths, _options(dropping))
    return results, rnn, saved


def _options(dropping: tuple[float, int, int, bool] | None) -> dict[str, Any]:
    return {"last_only": False, "cell_states": False, "every_layer": False, "dropout": dropping}


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


def _tensor(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like.device)


class LSTM(_Layer):
    """``torch.nn.LSTM`` on the library's engines.

    The arguments are those of ``wgpu_rnn.LSTM``; ``dtype`` is PyTorch's. Weights are drawn by PyTorch's
    generator, as ``torch.nn.LSTM`` draws them.

    Raises:
        ValueError, TypeError, RuntimeError: as ``wgpu_rnn.LSTM``.
    """

    _cell = "lstm"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        **options: Unpack[LSTMOptions],
    ) -> None:
        _settings.check("lstm", dict(options))
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        super().__init__("lstm", input_size, hidden_size, sizes, dropout, device, dtype, dict(options))


class GRU(_Layer):
    """``torch.nn.GRU`` on the library's engines; the arguments are those of ``wgpu_rnn.GRU``.

    Raises:
        ValueError, TypeError, RuntimeError: as ``wgpu_rnn.GRU``.
    """

    _cell = "gru"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        **options: Unpack[GRUOptions],
    ) -> None:
        _settings.check("gru", dict(options))
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        super().__init__("gru", input_size, hidden_size, sizes, dropout, device, dtype, dict(options))


class RNN(_Layer):
    """``torch.nn.RNN`` on the library's engines; the arguments are those of ``wgpu_rnn.RNN``.

    Raises:
        ValueError, TypeError, RuntimeError: as ``wgpu_rnn.RNN``.
    """

    _cell = "rnn"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        **options: Unpack[Options],
    ) -> None:
        _settings.check("rnn", dict(options))
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        cell = f"rnn:{nonlinearity}"
        super().__init__(cell, input_size, hidden_size, sizes, dropout, device, dtype, dict(options))
        self.nonlinearity = nonlinearity
