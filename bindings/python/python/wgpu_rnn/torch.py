"""The networks as modules of PyTorch, with gradients: ``LSTM``, ``GRU``, ``RNN``.

They have the arguments, parameters, names and first weights of ``torch.nn.LSTM`` and the others, and drop
into their places. In float32 the engine computes; in float64 (``module.double()``) the slow reference, for
checks. There is no double backward.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Union

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from . import _settings
from ._arrays import Lengths, lengths_of, size
from ._autograd import Call, compute
from ._networks import Networks
from ._settings import GRUOptions, LSTMOptions, Options

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["GRU", "LSTM", "RNN"]

_DTYPES = {torch.float32: "float32", torch.float64: "float64"}

# PyTorch draws the weights.
_NO_OPTIONS = ("init", "forget_bias")

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
        _check(self._cell, options)
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
        self._made = (cell, (self.input_size, self.hidden_size), {**sizes, **options}, device)
        self._networks = Networks(*self._made)
        like = _default()
        for name, drawn in self._networks.rnn("float32").tensors():
            parameter = torch.from_numpy(drawn).to(like.device, like.dtype if dtype is None else dtype)
            self.register_parameter(name, nn.Parameter(parameter))
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
        """The adapter, or the CPU; the reference on the CPU if the parameters are of float64."""
        dtype = getattr(self, self._networks.names[0]).dtype
        return self._networks.rnn(_DTYPES.get(dtype, "float32")).engine

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
        if not isinstance(input, Tensor):
            raise ValueError(
                f"input: expected a tensor or a PackedSequence, found {type(input).__name__} "
                f"(wgpu_rnn.{type(self).__name__} takes arrays)"
            )
        is_one = input.dim() == 2
        batch = 0 if self._has_batch_first() else 1
        # batch_first may have been set since; the engine's network has the layout that it was made with.
        is_swapped = input.dim() == 3 and bool(self.batch_first) != self._has_batch_first()
        if is_swapped:
            input = input.transpose(0, 1)
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
        if is_swapped:
            output = output.transpose(0, 1)
        return output, h_n if c_n is None else (h_n, c_n)

    def extra_repr(self) -> str:
        """Give the sizes as PyTorch's module does, and the engine."""
        parts = [str(self.input_size), str(self.hidden_size)]
        values = {**self._made[2], "batch_first": self.batch_first}
        values["nonlinearity"] = getattr(self, "nonlinearity", "tanh")
        for name, default in _settings.DEFAULTS.items():
            value = values.get(name, default)
            if value != default:
                parts.append(f"{name}={value!r}")
        if self.dropout:
            parts.append(f"dropout={self.dropout!r}")
        return ", ".join([*parts, f"engine={self.engine!r}"])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the engine's networks, which are made again."""
        return {name: value for name, value in self.__dict__.items() if name != "_networks"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        nn.Module.__setstate__(self, state)  # type: ignore[no-untyped-call]
        self._networks = Networks(*self._made)

    def _has_batch_first(self) -> bool:
        """Whether the engine's network has the batch first."""
        return bool(self._made[2]["batch_first"])

    def _state(self, hx: State | None) -> tuple[Tensor | None, Tensor | None]:
        if hx is None:
            return None, None
        if self._cell == "lstm":
            if not isinstance(hx, (tuple, list)) or len(hx) != 2:
                raise ValueError(f"hx: expected a pair (h_0, c_0), found one {type(hx).__name__}")
            for name, state in zip(("h_0", "c_0"), hx):
                if not isinstance(state, Tensor):
                    raise ValueError(f"{name}: expected a tensor, found {type(state).__name__}")
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
        count = int(sizes[0])
        for name, state in (("h_0", h_0), ("c_0", c_0)):
            if state is not None and (state.dim() != 3 or state.shape[1] != count):
                raise ValueError(
                    f"{name}: expected 3 axes, the second of {count}, as many as the sequences of the packed "
                    f"input, found {list(state.shape)}"
                )
        if order is not None:
            h_0, c_0 = (None if state is None else state.index_select(1, order) for state in (h_0, c_0))
        batch_first = self._has_batch_first()
        padded, own = pad_packed_sequence(PackedSequence(data, sizes), batch_first=batch_first)
        output, h_n, c_n = self._call(padded, h_0, c_0, own.tolist())
        packed = pack_padded_sequence(output, own, batch_first=batch_first)
        if back is not None:
            h_n = h_n.index_select(1, back)
            c_n = None if c_n is None else c_n.index_select(1, back)
        packed = PackedSequence(packed.data, sizes, order, back)
        return packed, h_n if c_n is None else (h_n, c_n)

    def _call(
        self, input: Tensor, h_0: Tensor | None, c_0: Tensor | None, lengths: list[int] | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        parameters: list[Tensor] = [getattr(self, name) for name in self._networks.names]
        dtype = parameters[0].dtype
        if dtype not in _DTYPES:
            raise ValueError(f"dtype: expected parameters of float32 or float64, found {dtype}")
        for name, parameter in zip(self._networks.names, parameters):
            if parameter.dtype != dtype:
                raise ValueError(
                    f"{name}: expected {dtype}, as other parameters are, found {parameter.dtype}"
                )
        for name, tensor in (("input", input), ("h_0", h_0), ("c_0", c_0)):
            if tensor is not None and tensor.dtype != dtype:
                raise ValueError(f"{name}: expected {dtype}, as the parameters are, found {tensor.dtype}")
        dropping = None
        # A NaN is not 0.
        if self.training and self.dropout != 0:
            # Of 2 layers: a dropout that drops nothing was warned of already.
            probability = _settings.probability(self.dropout, 2)
            if self.num_layers > 1:
                seed = int(torch.randint(2**62, (), device="cpu").item())
                dropping = (probability, seed, 0, False)
        call = Call(_DTYPES[dtype], lengths, dropping)
        return compute(self._networks, call, [input, h_0, c_0], parameters)


def _check(cell: str, options: dict[str, Any]) -> None:
    """Refuse names that are no option of a module."""
    for name in options:
        if name in _NO_OPTIONS:
            raise TypeError(f"option {name!r}: expected none, since PyTorch draws the weights")
        known = _settings.NAMES[cell].difference(_NO_OPTIONS)
        if name not in known:
            kind = f"wgpu_rnn.torch.{cell.upper()}"
            raise TypeError(f"option {name!r}: expected one of {kind} ({', '.join(sorted(known))})")


def _default() -> Tensor:
    """Give a tensor of PyTorch's default device and dtype, where parameters can have them."""
    like = torch.empty(0)
    if like.device.type == "meta":
        # Parameters without numbers have no use here.
        like = torch.empty(0, device="cpu")
    return like if like.dtype in _DTYPES else like.float()


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
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        cell = f"rnn:{nonlinearity}"
        super().__init__(cell, input_size, hidden_size, sizes, dropout, device, dtype, dict(options))
        self.nonlinearity = nonlinearity
