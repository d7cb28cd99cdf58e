"""Every option of a network, in f64, against the same formula in PyTorch."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from common import near, theirs

import wgpu_rnn
from wgpu_rnn import GRU, LSTM, RNN, Stack
from wgpu_rnn._settings import DEFAULTS, NAMES

F64 = {"device": "reference", "dtype": "float64"}
BOUND = 1e-12


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def weights_of(net):
    return {name: torch.from_numpy(np.array(array)) for name, array in net.state_dict().items()}


def plain_lstm(net, x, options):
    """One layer, a step after the other, with the options of an LSTM."""
    w = weights_of(net)
    size, batch = net.hidden_size, x.shape[1]
    h = c = torch.zeros(batch, size, dtype=torch.float64)

    def normal(numbers, name):
        if not options.get("layer_norm"):
            return numbers
        gain, bias = w[f"weight_norm_{name}_l0"], w[f"bias_norm_{name}_l0"]
        return torch.nn.functional.layer_norm(numbers, numbers.shape[-1:], gain, bias)

    def clipped(numbers):
        bound = options.get("preactivation_clip")
        return numbers if bound is None else numbers.clamp(-bound, bound)

    none = torch.zeros(3 * size, dtype=torch.float64)
    peepholes = (w["weight_peephole_l0"] if options.get("peepholes") else none).chunk(3)
    activate = options.get("f", torch.sigmoid)
    outputs, cells = [], []
    for step in torch.from_numpy(x):
        gates = normal(step @ w["weight_ih_l0"].T, "ih") + normal(h @ w["weight_hh_l0"].T, "hh")
        i, f, g, o = (gates + w["bias_ih_l0"] + w["bias_hh_l0"]).chunk(4, 1)
        i = activate(clipped(i + peepholes[0] * c))
        f = activate(clipped(f + peepholes[2] * c))
        if options.get("coupled_input_forget"):
            f = 1 - i
        c = f * c + i * torch.tanh(clipped(g))
        if options.get("cell_clip"):
            c = c.clamp(*options["cell_clip"])
        o = activate(clipped(o + peepholes[1] * c))
        h = o * torch.tanh(normal(c, "c"))
        outputs.append(h)
        cells.append(c)
    return torch.stack(outputs), c, torch.stack(cells)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"peepholes": True},
        {"coupled_input_forget": True},
        {"peepholes": True, "coupled_input_forget": True, "cell_clip": (-0.3, 0.2)},
        {"cell_clip": (-0.1, 0.1)},
        {"preactivation_clip": 0.2},
        {"layer_norm": True},
        {"activations": ["hard_sigmoid:0.2:0.5", "tanh", "tanh"]},
    ],
)
def test_an_lstm(options):
    net = LSTM(4, 6, **options, **F64)
    # Weights of every kind are drawn, gains and peepholes too.
    random = {name: array + 0.3 * numbers(*array.shape) for name, array in net.state_dict().items()}
    net.load_state_dict(random)
    x = numbers(5, 3, 4, seed=1)
    f = {"f": lambda x: (0.2 * x + 0.5).clamp(0, 1)} if "activations" in options else {}
    output, c_n, cells = plain_lstm(net, x, {**options, **f})
    result = net.call(x, cell_states=True)
    # Parameters of activations are f32.
    bound = (
        1e-7
        if "activations" in options or "preactivation_clip" in options or "cell_clip" in options
        else BOUND
    )
    near(result.output, output, bound)
    near(result.c_n[0], c_n, bound)
    near(result.cell_states, cells, bound)


def test_a_nan_in_the_clip():
    net = LSTM(4, 6, cell_clip=(-0.5, 0.5), cell_clip_nan=True, **F64)
    x = np.full((1, 1, 4), np.nan)
    _, (_, c_n) = net(x)
    assert (c_n == -0.5).all()


def test_a_gru_with_reset_before():
    net = GRU(4, 6, reset="before", **F64)
    w = weights_of(net)
    x = torch.from_numpy(numbers(5, 3, 4))
    h = torch.zeros(3, 6, dtype=torch.float64)
    hh, b = w["weight_hh_l0"].chunk(3), w["bias_hh_l0"].chunk(3)
    for step in x:
        r, z, n = (step @ w["weight_ih_l0"].T + w["bias_ih_l0"]).chunk(3, 1)
        r, z = torch.sigmoid(r + h @ hh[0].T + b[0]), torch.sigmoid(z + h @ hh[1].T + b[1])
        n = torch.tanh(n + (r * h) @ hh[2].T + b[2])
        h = (1 - z) * n + z * h
    near(net(x.numpy())[1][0], h, BOUND)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_directions_and_their_merge(kind):
    net_of = {"lstm": LSTM, "gru": GRU, "rnn": RNN}[kind]
    x = numbers(5, 3, 4)
    one = net_of(4, 6, **F64)
    reverse = net_of(4, 6, reverse=True, **F64)
    module = theirs(kind, one, {"input_size": 4, "hidden_size": 6})
    flipped = module(torch.from_numpy(x).flip(0))[0].flip(0)
    reverse.load_state_dict(dict(zip(reverse.state_dict(), one.state_dict().values())))
    near(reverse(x)[0], flipped, BOUND)
    both = net_of(4, 6, bidirectional=True, **F64)
    module = theirs(kind, both, {"input_size": 4, "hidden_size": 6, "bidirectional": True})
    forward, backward = module(torch.from_numpy(x))[0].chunk(2, 2)
    merged = {
        "concatenate": torch.cat([forward, backward], 2),
        "sum": forward + backward,
        "average": (forward + backward) / 2,
        "multiply": forward * backward,
    }
    for merge, expected in merged.items():
        net = net_of(4, 6, bidirectional=True, merge=merge, **F64)
        net.load_state_dict(both.state_dict())
        near(net(x)[0], expected, BOUND)
    net = net_of(4, 6, bidirectional=True, merge="apart", **F64)
    net.load_state_dict(both.state_dict())
    for found, expected in zip(net(x)[0], (forward, backward)):
        near(found, expected, BOUND)


def test_residual_connections_and_stacks():
    x = numbers(5, 3, 6)
    net = GRU(6, 6, num_layers=2, residual=True, **F64)
    stack = Stack(6, [("gru", 6), ("lstm", 4)], **F64)
    for whole, kinds, residual in ((net, ("gru", "gru"), True), (stack, ("gru", "lstm"), False)):
        state = whole.state_dict()
        output = torch.from_numpy(x)
        for layer, kind in enumerate(kinds):
            size = 6 if kind == "gru" else 4
            module = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](6, size).double()
            own = {
                name: torch.from_numpy(a.copy()) for name, a in state.items() if name.endswith(f"_l{layer}")
            }
            module.load_state_dict({name[:-1] + "0": tensor for name, tensor in own.items()})
            above, _ = module(output)
            output = above + output if residual and layer > 0 else above
        near(whole(x)[0], output, BOUND)


def test_a_learned_state():
    net = LSTM(4, 6, learned_state=True, **F64)
    net.load_state_dict({name: numbers(*array.shape) for name, array in net.state_dict().items()})
    state = weights_of(net)
    h, c = (state.pop(f"initial_{letter}_l0").expand(1, 3, 6).contiguous() for letter in "hc")
    module = torch.nn.LSTM(4, 6).double()
    module.load_state_dict(state)
    x = numbers(5, 3, 4)
    near(net(x)[0], module(torch.from_numpy(x), (h, c))[0], BOUND)


def test_first_weights():
    gluon = LSTM(4, 6, init="gluon", forget_bias=1.0, device="cpu").state_dict()
    assert np.abs(gluon["weight_ih_l0"]).max() <= 0.07
    assert (gluon["bias_ih_l0"][6:12] == 1).all() and not gluon["bias_ih_l0"][:6].any()
    square = LSTM(6, 6, init="orthogonal", device="cpu").state_dict()["weight_hh_l0"].astype(np.float64)
    near(square.T @ square, np.eye(6), 1e-6)
    assert not LSTM(4, 6, init="xavier", device="cpu").state_dict()["bias_hh_l0"].any()
    one, other = (LSTM(4, 6, seed=seed, device="cpu").state_dict()["weight_ih_l0"] for seed in (1, 2))
    assert np.abs(one).max() <= 6**-0.5 and not np.array_equal(one, other)


def test_half_precision(device):
    if not device.startswith("gpu"):
        with pytest.raises(ValueError, match="dtype: expected f32, or an engine with SHADER_F16"):
            LSTM(4, 6, dtype="float16", device=device)
        return
    net = LSTM(4, 6, bidirectional=True, device=device)
    half = LSTM(4, 6, bidirectional=True, dtype="float16", device=device)
    x = numbers(5, 3, 4).astype(np.float32)
    assert half(x)[0].dtype == np.float32
    near(half(x)[0], net(x)[0], 2e-3)
    assert "dtype='float16'" in repr(half)
    with pytest.raises(ValueError, match="which f16 can hold"):
        half(x * 1e6)


def test_options_are_told_and_go_through_files(tmp_path):
    options = dict(merge="sum", cell_clip=(-1.0, 2.0), peepholes=True, preactivation_clip=3.0)
    net = LSTM(4, 6, 2, bidirectional=True, residual=True, **options, device="cpu")
    net.save(tmp_path / "w.safetensors")
    found = wgpu_rnn.load(tmp_path / "w.safetensors", device="cpu")
    assert found.settings == net.settings and net.settings["merge"] == "sum"
    assert repr(found) == repr(net)
    with pytest.raises(ValueError, match="merge"):
        wgpu_rnn.load(tmp_path / "w.safetensors", merge="average", device="cpu")


def test_every_option_is_named_in_a_test_of_this_file():
    """An option without a test is found by the names that the calls and tables of this file give."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    named = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    named |= {key.value for table in tables for key in table.keys if isinstance(key, ast.Constant)}
    known = set.union(*NAMES.values())
    assert known <= named, known - named
    assert {*DEFAULTS} - known == {
        "num_layers",
        "nonlinearity",
        "bias",
        "batch_first",
        "bidirectional",
        "proj_size",
    }
