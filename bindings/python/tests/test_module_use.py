"""Modules of PyTorch used as PyTorch's own: attributes that are set, defaults, kinds of tensors, mistakes."""

import numpy as np
import pytest
import torch
from common import THEIRS, near
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

import wgpu_rnn.torch as ours

KINDS = {"lstm": ours.LSTM, "gru": ours.GRU, "rnn": ours.RNN}


def pair(kind, **options):
    torch.manual_seed(5)
    theirs = THEIRS[kind](7, 5, **options)
    mine = KINDS[kind](7, 5, **options, device="cpu")
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def near_all(found, expected):
    """Results of one kind are near."""
    found, expected = (
        [one[0], *one[1]] if isinstance(one[1], tuple) else list(one) for one in (found, expected)
    )
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        near(one, other, 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made, then", [(False, True), (True, False)])
def test_batch_first_may_be_set_later(kind, made, then):
    mine, theirs = pair(kind, batch_first=made)
    mine.batch_first = theirs.batch_first = then
    torch.manual_seed(1)
    for x in (torch.randn(6, 7), torch.randn(6, 3, 7), torch.randn(3, 3, 7)):
        near_all(mine(x), theirs(x))
    x = torch.randn(3, 6, 7) if then else torch.randn(6, 3, 7)
    packed = pack_padded_sequence(x, [2, 6, 3], batch_first=then, enforce_sorted=False)
    (one, h), (other, g) = mine(packed), theirs(packed)
    near_all((pad_packed_sequence(one)[0], h), (pad_packed_sequence(other)[0], g))
    assert ("batch_first=True" in repr(mine)) == then


@pytest.mark.parametrize("kind", KINDS)
def test_inference_mode_from_the_first_line(kind):
    with torch.inference_mode():
        mine, theirs = pair(kind)
        x = torch.randn(4, 3, 7)
        near_all(mine(x), theirs(x))
        mine.weight_hh_l0.mul_(0.5)
        theirs.weight_hh_l0.mul_(0.5)
        near_all(mine(x), theirs(x))


def test_views_that_are_negative():
    mine, theirs = pair("gru")
    x = torch.randn(4, 3, 7, dtype=torch.complex64).conj().imag
    assert x.is_neg()
    near_all(mine(x), theirs(x))
    with torch.no_grad():
        near_all(mine(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        torch.manual_seed(5)
        theirs = torch.nn.LSTM(7, 5)
        torch.manual_seed(5)
        mine = ours.LSTM(7, 5, device="cpu")
        single = ours.LSTM(7, 5, device="cpu", dtype=torch.float32)
    finally:
        torch.set_default_dtype(before)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(mine.state_dict()[name], tensor) and tensor.dtype == dtype
    assert single.weight_ih_l0.dtype == torch.float32


@pytest.mark.skipif(not hasattr(torch, "set_default_device"), reason="PyTorch before 2.0 has no such default")
def test_a_default_device_without_numbers(monkeypatch):
    x = torch.randn(4, 3, 7)
    with torch.device("meta"):
        mine = ours.GRU(7, 5, num_layers=2, dropout=0.5, device="cpu")
        output, _ = mine(x)
    assert {parameter.device.type for parameter in mine.parameters()} == {"cpu"}
    assert torch.isfinite(output).all()
    # The device that every machine has beside the CPU's, as if it had numbers.
    monkeypatch.setattr(ours, "_default", lambda: torch.empty(0, device="meta"))
    mine = ours.GRU(7, 5, device="cpu")
    assert {parameter.device.type for parameter in mine.parameters()} == {"meta"}


def test_the_nonlinearity_is_told():
    assert "nonlinearity='relu'" in repr(ours.RNN(7, 5, nonlinearity="relu", device="cpu"))
    assert "nonlinearity" not in repr(ours.RNN(7, 5, device="cpu"))


def test_options_that_are_known():
    with pytest.raises(TypeError, match=r"option 'dropuot': expected one of wgpu_rnn\.torch\.LSTM") as found:
        ours.LSTM(7, 5, dropuot=0.5)
    sentence = str(found.value)
    assert "peepholes" in sentence and "init" not in sentence and "forget_bias" not in sentence
    with pytest.raises(TypeError, match="option 'reset': expected one of"):
        ours.RNN(7, 5, reset="after")


def weighing(name, change):
    """Give a module, one of whose parameters is changed."""
    mine, _ = pair("gru")
    setattr(mine, name, torch.nn.Parameter(change(getattr(mine, name).detach())))
    return mine


ZEROS = torch.zeros(4, 3, 7)
PACKED = pack_sequence([torch.zeros(length, 7) for length in (2, 4, 3)], enforce_sorted=False)
SORTED = pack_sequence([torch.zeros(length, 7) for length in (4, 3, 2)])
MISTAKES = {
    "array": (
        lambda: pair("lstm")[0](np.zeros((4, 3, 7), np.float32)),
        "input: expected a tensor .* ndarray",
    ),
    "list": (lambda: pair("gru")[0]([[[0.0] * 7]]), "input: expected a tensor .* found list"),
    "state": (lambda: pair("lstm")[0](ZEROS, (None, torch.zeros(1, 3, 5))), "h_0: expected a tensor"),
    "sparse": (lambda: pair("gru")[0](ZEROS.to_sparse()), "input: expected a dense tensor .*sparse"),
    "meta": (lambda: pair("gru")[0](ZEROS.to("meta")), "input: expected a dense tensor .* on meta"),
    "module on meta": (lambda: pair("gru")[0].to("meta")(ZEROS), "weight_ih_l0: expected a dense .* on meta"),
    "bfloat16": (lambda: pair("gru")[0](ZEROS.bfloat16()), "input: expected torch.float32, .*bfloat16"),
    "a parameter": (
        lambda: weighing("bias_hh_l0", torch.Tensor.bfloat16)(ZEROS),
        "bias_hh_l0: expected torch.float32, as other parameters are, found torch.bfloat16",
    ),
    "a shape": (lambda: weighing("bias_hh_l0", lambda bias: bias[1:])(ZEROS), "bias_hh_l0: expected"),
    "N": (lambda: pair("gru")[0](PACKED, torch.zeros(1, 2, 5)), r"h_0: expected .* 3, .* found \[1, 2, 5\]"),
    "N of more": (lambda: pair("gru")[0](PACKED, torch.zeros(1, 4, 5)), "h_0: expected 3 axes"),
    "N of sorted": (lambda: pair("gru")[0](SORTED, torch.zeros(1, 2, 5)), "h_0: expected 3 axes"),
    "axes": (lambda: pair("gru")[0](PACKED, torch.zeros(1, 5)), "h_0: expected 3 axes"),
    "no axes": (lambda: pair("gru")[0](torch.tensor(1.0)), "input: expected"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("grad", [True, False])
def test_mistakes_have_a_sentence(mistake, grad):
    call, sentence = MISTAKES[mistake]
    with torch.set_grad_enabled(grad), pytest.raises(ValueError, match=sentence) as found:
        call()
    assert "\n" not in str(found.value)
