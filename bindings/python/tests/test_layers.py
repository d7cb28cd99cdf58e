"""Layers of NumPy: shapes, kinds of arrays, errors, files."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from common import OURS, near, theirs
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import wgpu_rnn
from wgpu_rnn import GRU, LSTM, RNN, Stack

KINDS = ["lstm", "gru", "rnn"]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def state_of(hx):
    return hx if isinstance(hx, tuple) else (hx,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_results_have_the_shapes_of_pytorchs(kind, batch_first, bidirectional, device):
    sizes = dict(
        input_size=7, hidden_size=13, num_layers=3, batch_first=batch_first, bidirectional=bidirectional
    )
    ours = OURS[kind](**sizes, device=device)
    module = theirs(kind, ours, sizes)
    x = numbers(*((3, 5, 7) if batch_first else (5, 3, 7)))
    output, hx = ours(x)
    expected, expected_hx = module(torch.from_numpy(x).double())
    near(output, expected, 1e-5)
    for found, other in zip(state_of(hx), state_of(expected_hx)):
        near(found, other, 1e-5)
    # From where the first call ended.
    output, hx = ours(x, hx)
    expected, expected_hx = module(torch.from_numpy(x).double(), expected_hx)
    near(output, expected, 1e-5)
    for found, other in zip(state_of(hx), state_of(expected_hx)):
        near(found, other, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_sequence_without_a_batch(kind, batch_first, device):
    sizes = dict(input_size=7, hidden_size=5, num_layers=2, batch_first=batch_first, bidirectional=True)
    ours = OURS[kind](**sizes, device=device)
    module = theirs(kind, ours, sizes)
    x, states = numbers(4, 7), [numbers(4, 5, seed=seed) for seed in (1, 2)]
    hx = tuple(states) if kind == "lstm" else states[0]
    doubles = [torch.from_numpy(state).double() for state in states]
    expected, expected_hx = module(
        torch.from_numpy(x).double(), tuple(doubles) if kind == "lstm" else doubles[0]
    )
    output, found_hx = ours(x, hx)
    near(output, expected, 1e-5)
    for found, other in zip(state_of(found_hx), state_of(expected_hx)):
        near(found, other, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences_are_those_of_pytorch(kind, device):
    sizes = dict(input_size=7, hidden_size=5, num_layers=2, bidirectional=True)
    ours = OURS[kind](**sizes, device=device)
    module = theirs(kind, ours, sizes)
    sequences = [torch.from_numpy(numbers(length, 7, seed=length)) for length in (3, 6, 1, 4)]
    hx = [torch.from_numpy(numbers(4, 4, 5, seed=seed)) for seed in (1, 2)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    output, found = ours(packed, tuple(hx) if kind == "lstm" else hx[0])
    doubles = [state.double() for state in hx]
    double = pack_sequence([sequence.double() for sequence in sequences], enforce_sorted=False)
    expected, others = module(double, tuple(doubles) if kind == "lstm" else doubles[0])
    assert isinstance(output, type(packed))
    near(output.data, expected.data, 1e-5)
    for one, other in zip(pad_packed_sequence(output), pad_packed_sequence(expected)):
        near(one.double(), other, 1e-5)
    for one, other in zip(state_of(found), state_of(others)):
        near(one, other, 1e-5)
    # Lengths of padded sequences give the same.
    padded, lengths = pad_packed_sequence(packed)
    output, _ = ours(padded, tuple(hx) if kind == "lstm" else hx[0], lengths=lengths)
    near(output, pad_packed_sequence(expected)[0], 1e-5)


def test_sorted_packed_sequences_stay_in_their_order(device):
    lstm = LSTM(7, 5, device=device)
    padded = torch.from_numpy(numbers(6, 2, 7))
    output, (h_n, _) = lstm(pack_padded_sequence(padded, [6, 2]))
    assert output.sorted_indices is None
    expected, (h, _) = lstm(padded, lengths=[6, 2])
    assert torch.equal(pad_packed_sequence(output)[0], expected)
    assert torch.equal(h_n, h)


def test_an_array_of_any_kind_and_stride(device):
    lstm = LSTM(7, 5, device=device)
    x = numbers(6, 3, 7)
    expected, _ = lstm(x)
    assert type(expected) is np.ndarray
    output, (h_n, _) = lstm(torch.from_numpy(x))
    assert isinstance(output, torch.Tensor) and isinstance(h_n, torch.Tensor)
    assert np.array_equal(output.numpy(), expected)
    wide = np.zeros((3, 6, 14), np.float32)
    wide[..., ::2] = x.transpose(1, 0, 2)
    assert np.array_equal(lstm(wide[..., ::2].transpose(1, 0, 2))[0], expected)

    class OnlyDlpack:
        def __dlpack__(self, **options):
            return x.__dlpack__(**options)

        def __dlpack_device__(self):
            return x.__dlpack_device__()

    assert np.array_equal(lstm(OnlyDlpack())[0], expected)
    assert np.array_equal(lstm(memoryview(x))[0], expected)


def test_results_are_in_order_of_their_axes_in_memory(device):
    x = numbers(3, 6, 7)
    output, (h_n, c_n) = LSTM(7, 5, batch_first=True, bidirectional=True, device=device)(x)
    assert all(array.flags.c_contiguous and array.dtype == np.float32 for array in (output, h_n, c_n))


def test_other_results_than_the_output(device):
    lstm = LSTM(7, 5, num_layers=3, bidirectional=True, merge="apart", device=device)
    x = numbers(6, 3, 7)
    (forward, reverse), _ = lstm(x)
    assert forward.shape == reverse.shape == (6, 3, 5)
    result = lstm.call(x, cell_states=True, every_layer=True)
    assert result.cell_states.shape == (6, 3, 10)
    # Directions are apart in the last layer alone: those below are what the next layer reads.
    state = lstm.state_dict(as_torch=True)
    expected = torch.from_numpy(x)
    assert len(result.lower) == 2
    for layer, lower in enumerate(result.lower):
        module = torch.nn.LSTM(expected.shape[2], 5, bidirectional=True)
        own = {name: tensor for name, tensor in state.items() if f"_l{layer}" in name}
        module.load_state_dict({name.replace(f"_l{layer}", "_l0"): tensor for name, tensor in own.items()})
        expected = module(expected)[0].detach()
        near(lower, expected, 1e-5)
    last = lstm.call(torch.from_numpy(x), last_only=True)
    assert isinstance(last.output, torch.Tensor)
    near(last.output[0], forward[-1], 1e-6)
    near(last.output_reverse[0], reverse[0], 1e-6)


REFUSED = [
    (lambda net: net(numbers(5, 3, 8)), ValueError, "input: expected [T, N, 7] or [T, 7]"),
    (lambda net: net(numbers(7)), ValueError, "input: expected"),
    (lambda net: net(numbers(5, 3, 7).astype(np.float64)), ValueError, "float32, found float64"),
    (lambda net: net([1.0, 2.0]), ValueError, "input: expected an array"),
    (lambda net: net(numbers(5, 3, 7), numbers(2, 3, 5)), ValueError, "hx: expected a pair"),
    (lambda net: net(numbers(5, 3, 7), (numbers(2, 2, 5),) * 2), ValueError, "h_0: expected shape [2, 3, 5]"),
    (lambda net: net(numbers(5, 3, 7), (numbers(2, 3, 5), numbers(2, 3, 4))), ValueError, "c_0: expected"),
    (lambda net: net(numbers(5, 7), (numbers(2, 3, 5),) * 2), ValueError, "h_0: expected 2 axes, found 3"),
    (lambda net: net(numbers(5, 3, 7), lengths=[1, 2]), ValueError, "lengths: expected 3"),
    (lambda net: net(numbers(5, 3, 7), lengths=[1, 6, 2]), ValueError, "lengths: expected 0 to 5"),
    (lambda net: net(numbers(5, 3, 7), lengths=[1, -1, 2]), ValueError, "lengths: expected 0 to 5"),
    (lambda net: net(numbers(5, 3, 7), lengths=3), ValueError, "lengths: expected a sequence"),
    (lambda net: net(torch.ones(5, 3, 7, requires_grad=True)), ValueError, "requires_grad"),
    (lambda net: net.load_state_dict({}), ValueError, "weight_ih_l0"),
    (lambda net: net.load_state_dict({"a": numbers(1)}), ValueError, "a"),
    (lambda net: net.save("weights.txt"), ValueError, "expected a name that ends in"),
]


@pytest.mark.parametrize("call, error, sentence", REFUSED)
def test_a_call_that_does_not_fit_is_refused(call, error, sentence):
    net = LSTM(7, 5, bidirectional=True, device="cpu")
    with pytest.raises(error) as found:
        call(net)
    assert sentence.replace("shape ", "") in str(found.value).replace("shape ", "")
    # The network is as it was.
    assert net(numbers(5, 3, 7))[0].shape == (5, 3, 10)


@pytest.mark.parametrize(
    "make, error, sentence",
    [
        (lambda: LSTM(0, 5), ValueError, "input_size: expected at least 1"),
        (lambda: LSTM(7, 0), ValueError, "hidden_size: expected at least 1"),
        (lambda: LSTM(7, 5, -1), ValueError, "num_layers: expected at least 1"),
        (lambda: LSTM(7, 5.0), TypeError, "hidden_size: expected a whole number"),
        (lambda: GRU(7, 5, proj_size=2), ValueError, "proj_size"),
        (lambda: LSTM(7, 5, dropout=1.5), ValueError, "dropout: expected a probability"),
        (lambda: LSTM(7, 5, dropout=True), ValueError, "dropout: expected a probability"),
        (lambda: LSTM(7, 5, device="tpu"), ValueError, "device: expected auto"),
        (lambda: LSTM(7, 5, device="gpu:no such adapter"), RuntimeError, "no such adapter"),
        (lambda: LSTM(7, 5, dtype="int8"), ValueError, "dtype: expected float32"),
        (lambda: LSTM(7, 5, merge="mean"), ValueError, "merge: expected concatenate"),
        (lambda: LSTM(7, 5, reset="before"), TypeError, "option 'reset'"),
        (lambda: GRU(7, 5, peepholes=True), TypeError, "option 'peepholes'"),
        (lambda: RNN(7, 5, nonlinearity="gelu"), ValueError, "gelu"),
        (lambda: LSTM(7, 5, cell_clip=(1.0, -1.0)), ValueError, "cell_clip"),
        (lambda: LSTM(7, 5, bidirectional=True, reverse=True), ValueError, "reverse"),
    ],
)
def test_a_network_that_there_is_not_is_refused(make, error, sentence):
    with pytest.raises(error) as found:
        make()
    assert sentence in str(found.value)


def test_errors_have_the_variant_as_code():
    with pytest.raises(ValueError) as found:
        LSTM(7, 5, device="cpu")(numbers(5, 3, 8))
    assert found.value.code == "Shape"


def test_dropout_that_drops_nothing_is_warned_of():
    with pytest.warns(UserWarning, match="2 layers or more"):
        LSTM(7, 5, dropout=0.5, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LSTM(7, 5, 2, dropout=0.5, device="cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_state_dicts_go_both_ways_bit_by_bit(kind):
    sizes = dict(input_size=7, hidden_size=5, num_layers=2, bidirectional=True)
    if kind == "lstm":
        sizes["proj_size"] = 3
    module = theirs(kind, OURS[kind](**sizes, device="cpu"), sizes).float()
    state = module.state_dict()
    ours = OURS[kind](**sizes, seed=3, device="cpu")
    ours.load_state_dict(state)
    back = ours.state_dict(as_torch=True)
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor), name
    module.load_state_dict(back)
    # Halves are exact.
    ours.load_state_dict({name: tensor.half() for name, tensor in state.items()})
    assert torch.equal(ours.state_dict(as_torch=True)["weight_hh_l0"], state["weight_hh_l0"].half().float())
    ours.load_state_dict({name: tensor.bfloat16() for name, tensor in state.items()})
    bfloat = state["weight_hh_l0"].bfloat16().float()
    assert torch.equal(ours.state_dict(as_torch=True)["weight_hh_l0"], bfloat)


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w.params", "w.onnx"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_every_kind(kind, name, tmp_path):
    ours = OURS[kind](7, 5, num_layers=2, bidirectional=True, device="cpu")
    ours.save(tmp_path / name)
    # Two formats do not tell the activation.
    activation = "tanh" if kind == "rnn" and name in ("w.npz", "w.params") else None
    found = wgpu_rnn.load(tmp_path / name, activation=activation, device="cpu")
    assert type(found) is type(ours)
    for tensor, array in ours.state_dict().items():
        assert np.array_equal(found.state_dict()[tensor], array), tensor


def test_a_checkpoint_of_pytorch(tmp_path):
    model = torch.nn.ModuleDict({"a": torch.nn.LSTM(7, 5), "b": torch.nn.GRU(7, 5, batch_first=True)})
    torch.save(model.state_dict(), tmp_path / "model.pt")
    lstm = LSTM.load(tmp_path / "model.pt", prefix="a", device="cpu")
    gru = wgpu_rnn.load(tmp_path / "model.pt", prefix="b", batch_first=True, device="cpu")
    assert np.array_equal(lstm.state_dict()["weight_ih_l0"], model["a"].weight_ih_l0.detach().numpy())
    assert isinstance(gru, GRU) and gru.batch_first
    with pytest.raises(ValueError, match="prefix: expected one that picks a network"):
        wgpu_rnn.load(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="expected a network of LSTM, found GRU"):
        LSTM.load(tmp_path / "model.pt", prefix="b", device="cpu")
    with pytest.raises(ValueError, match=r"none\.pt"):
        wgpu_rnn.load(tmp_path / "none.pt")
    with pytest.raises(TypeError, match="option 'layers'"):
        wgpu_rnn.load(tmp_path / "model.pt", layers=2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_go_through_pickle_and_copy(dtype):
    x = numbers(5, 3, 7).astype(dtype)
    nets = [
        LSTM(7, 5, 2, bidirectional=True, dropout=0.5, layer_norm=True, device="cpu", dtype=dtype),
        RNN(7, 5, nonlinearity="relu", device="cpu", dtype=dtype),
        GRU(7, 5, batch_first=True, reset="before", device="cpu", dtype=dtype),
        Stack(7, [("lstm", 5), ("gru", 3)], device="cpu", dtype=dtype),
    ]
    for net in nets:
        for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
            assert repr(other) == repr(net) and type(other) is type(net)
            assert np.array_equal(other(x)[0], net(x)[0])


def test_a_network_prints_as_pytorchs():
    assert repr(LSTM(10, 20, device="cpu")) == "LSTM(10, 20)"
    net = LSTM(
        10, 20, 2, bias=False, batch_first=True, dropout=0.5, bidirectional=True, proj_size=3, device="cpu"
    )
    settings = "num_layers=2, bias=False, batch_first=True, bidirectional=True, proj_size=3, dropout=0.5"
    expected = f"LSTM(10, 20, {settings})"
    assert repr(net) == expected
    assert repr(RNN(10, 20, nonlinearity="relu", device="cpu")) == "RNN(10, 20, nonlinearity='relu')"


def test_help_has_the_texts_of_fields():
    assert wgpu_rnn.Output.h_n.__doc__.startswith("The final hidden states")
    for name in wgpu_rnn.Output._fields:
        assert "Alias" not in getattr(wgpu_rnn.Output, name).__doc__


def test_the_engine_is_told():
    assert LSTM(7, 5, device="cpu").engine.startswith("CPU")
    assert LSTM(7, 5, device="reference").engine == "CPU reference"
    assert wgpu_rnn.engine_name("cpu") == LSTM(7, 5, device="cpu").engine


def test_saved_calls_of_numpy(device):
    lstm = LSTM(7, 5, num_layers=2, batch_first=True, device=device)
    module = theirs("lstm", lstm, dict(input_size=7, hidden_size=5, num_layers=2, batch_first=True))
    x = numbers(4, 7)
    result, saved = lstm.forward_saved(x)
    by = numbers(*result.output.shape, seed=1)
    by_c = numbers(*result.c_n.shape, seed=2)
    found = saved.backward(by, c_n=by_c)
    leaf = torch.from_numpy(x).double().requires_grad_()
    output, (_, c_n) = module(leaf)
    (output * torch.from_numpy(by)).sum().add((c_n * torch.from_numpy(by_c)).sum()).backward()
    near(found.input, leaf.grad, 1e-5)
    assert found.h_0.shape == found.c_0.shape == (2, 5)
    for name, parameter in module.named_parameters():
        near(found.weights()[name], parameter.grad, 1e-5, name)
    with pytest.raises(RuntimeError, match="saved call that was used"):
        saved.backward(by)
    _, saved = lstm.forward_saved(x)
    lstm.load_state_dict(lstm.state_dict())
    with pytest.raises(RuntimeError, match="weights that were set after it"):
        saved.backward(by)
