"""Networks by their cells: ``LSTM``, ``GRU``, ``RNN``, ``Stack``, and ``load``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _check, _settings, _wgpu_rnn
from ._arrays import Array
from ._settings import DEFAULTS, GRUOptions, LSTMOptions, Options
from ._wgpu_rnn import Rnn
from .network import Network, Path

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LSTM(Network):
    """A long short-term memory, stacked and bidirectional, as ``torch.nn.LSTM`` computes it.

    Args:
        input_size: I, features of the input.
        hidden_size: H, units of each layer and direction.
        num_layers: L, layers on each other.
        bias: False for gates without biases.
        batch_first: input and output are ``[N, T, C]``.
        dropout: the probability of dropout between layers, in training alone (``Trainer``,
            ``forward_saved``).
        bidirectional: the sequence is read both ways.
        proj_size: P, units that the hidden state is projected to; 0 for none.
        device: ``auto`` (the best GPU, or the CPU), ``gpu``, ``gpu:`` and a part of an adapter's name,
            ``cpu``, ``reference``.
        dtype: ``float32``; ``float16``, as which a GPU stores arrays, float32 outside; ``float64``, which the
            slow reference computes.
        seed: of the weights, which have PyTorch's distribution. Two networks of one seed and the same sizes
            have equal weights.
        options: see ``LSTMOptions``.

    Raises:
        ValueError: for sizes or options out of bounds, or options that exclude each other.
        TypeError: for an option that the cell does not have, or an argument of another type.
        RuntimeError: for a GPU that the machine does not have.
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
        dtype: str = "float32",
        seed: int = 0,
        **options: Unpack[LSTMOptions],
    ) -> None:
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        rnn = _drawn("lstm", input_size, hidden_size, {**sizes, **options}, options, device, dtype, seed)
        dropout = _settings.probability(dropout, num_layers)
        super().__init__(rnn, dropout=dropout, device=device, dtype=dtype)


class GRU(Network):
    """A gated recurrent unit, stacked and bidirectional, as ``torch.nn.GRU`` computes it.

    The arguments are those of ``LSTM``, without a projection; ``options``: see ``GRUOptions``.

    Raises:
        ValueError, TypeError, RuntimeError: as ``LSTM``.
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
        dtype: str = "float32",
        seed: int = 0,
        **options: Unpack[GRUOptions],
    ) -> None:
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        rnn = _drawn("gru", input_size, hidden_size, {**sizes, **options}, options, device, dtype, seed)
        dropout = _settings.probability(dropout, num_layers)
        super().__init__(rnn, dropout=dropout, device=device, dtype=dtype)


class RNN(Network):
    """A vanilla RNN, stacked and bidirectional, as ``torch.nn.RNN`` computes it.

    The arguments are those of ``LSTM``, with a ``nonlinearity`` in the fourth place, as PyTorch has it:
    ``tanh``, ``relu``, or another activation. ``options``: see ``Options``.

    Raises:
        ValueError, TypeError, RuntimeError: as ``LSTM``.
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
        dtype: str = "float32",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        sizes = _settings.sizes(num_layers, bias, batch_first, bidirectional, proj_size)
        cell = f"rnn:{_check.text('nonlinearity', nonlinearity)}"
        _settings.check("rnn", dict(options))
        rnn = _settings.draw(
            cell, input_size, hidden_size, {**sizes, **options}, device=device, dtype=dtype, seed=seed
        )
        dropout = _settings.probability(dropout, num_layers)
        super().__init__(rnn, dropout=dropout, device=device, dtype=dtype)

    @property
    def nonlinearity(self) -> str:
        """The activation."""
        name: str = self.settings["nonlinearity"]
        return name


class Stack(Network):
    """A stack whose layers differ in cell or size.

    Args:
        input_size: I, features of the input.
        layers: cell (``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``) and hidden size of each, the lowest
            first.
        bias: as in ``LSTM``.
        batch_first: as in ``LSTM``.
        dropout: as in ``LSTM``.
        bidirectional: as in ``LSTM``.
        device: as in ``LSTM``.
        dtype: as in ``LSTM``.
        seed: as in ``LSTM``.
        options: those of every cell, and those of one kind where all layers are of it.

    States are ``[L*D, N, H]`` with the largest H, and zeros past a layer's own size.

    Raises:
        ValueError, TypeError, RuntimeError: as ``LSTM``.
    """

    _cell = "stack"

    def __init__(
        self,
        input_size: int,
        layers: Iterable[tuple[str, int]],
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: str = "auto",
        dtype: str = "float32",
        seed: int = 0,
        **options: Any,
    ) -> None:
        _settings.check("stack", options)
        settings = {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional, **options}
        if isinstance(layers, str) or not isinstance(layers, Iterable):
            raise _check.argument(
                "layers", "a sequence of pairs of a cell and a hidden size", _check.shown(layers), TypeError
            )
        layers = list(layers)
        rnn = _settings.draw(
            "lstm", input_size, 1, settings, stack=layers, device=device, dtype=dtype, seed=seed
        )
        dropout = _settings.probability(dropout, len(layers))
        super().__init__(rnn, dropout=dropout, device=device, dtype=dtype)


def engine_name(device: str = "auto") -> str:
    """Give the adapter, or the CPU, that a device's name stands for.

    Raises:
        ValueError, TypeError: for a name of another form.
        RuntimeError: for a GPU that is not there.
    """
    return _wgpu_rnn.engine_name(_check.device(device))


def load(
    file: Path | bytes,
    *,
    prefix: str | None = None,
    activation: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    dropout: float = 0.0,
    **options: Any,
) -> Network:
    """Read the network of a file, of whatever cell; the arguments are those of ``Network.load``.

    Raises:
        ValueError: for a file that cannot be read, or that holds no such network.
    """
    known = {*DEFAULTS} - {"nonlinearity"}
    for name in options:
        if name not in known:
            expected = f"an option of {', '.join(sorted(known))}"
            raise _check.argument(f"option {name!r}", expected, "none of them", TypeError)
    if isinstance(file, (bytes, bytearray, memoryview)):
        path, contents = None, bytes(file)
    else:
        path, contents = _check.path("file", file), None
    rnn = Rnn.load(
        path,
        contents,
        None if prefix is None else _check.text("prefix", prefix),
        None if activation is None else _check.text("activation", activation),
        {"num_layers": None, **_settings.checked(options)},
        _check.device(device),
        _check.text("dtype", dtype),
    )
    dropout = _settings.probability(dropout, rnn.settings["num_layers"])
    settings = rnn.settings
    kinds: dict[str, type[Network]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
    kind = Stack if settings["stack"] else kinds[settings["cell"]]
    return with_rnn(kind, rnn, device=device, dtype=dtype, dropout=dropout)


def with_rnn(kind: type[Network], rnn: Rnn, **arguments: Any) -> Network:
    """Make a layer of a network that is there."""
    network = kind.__new__(kind)
    Network.__init__(network, rnn, **arguments)
    return network


def restore(kind: type[Network], contents: bytes, arguments: dict[str, Any]) -> Network:
    """Make a network that another process has sent."""
    rnn = Rnn.load(None, contents, None, None, {"num_layers": None}, arguments["device"], arguments["dtype"])
    return with_rnn(kind, rnn, **arguments)


def restore_double(
    kind: type[Network], settings: dict[str, Any], state: dict[str, Array], arguments: dict[str, Any]
) -> Network:
    """Make a network of float64 that another process has sent."""
    options = {name: value for name, value in settings.items() if name in DEFAULTS and name != "nonlinearity"}
    cell = settings["cell"] if kind is not RNN else f"rnn:{settings['nonlinearity']}"
    rnn = _settings.draw(
        cell,
        settings["input_size"],
        settings["hidden_size"],
        options,
        stack=settings["stack"],
        device=arguments["device"],
        dtype="float64",
        seed=0,
    )
    network = with_rnn(kind, rnn, **arguments)
    network.load_state_dict(state)
    return network


def _drawn(
    cell: str,
    input_size: int,
    hidden_size: int,
    settings: dict[str, Any],
    options: Mapping[str, Any],
    device: str,
    dtype: str,
    seed: int,
) -> Rnn:
    _settings.check(cell, dict(options))
    return _settings.draw(cell, input_size, hidden_size, settings, device=device, dtype=dtype, seed=seed)
