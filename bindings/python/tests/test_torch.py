"""Modules of PyTorch: gradients, drop-in use, what is refused."""

import copy
import io
import os
import pickle
import sys

import numpy as np
import pytest
import torch
from common import THEIRS, near
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

import wgpu_rnn.torch as ours
from wgpu_rnn import _autograd

KINDS = {"lstm": ours.LSTM, "gru": ours.GRU, "rnn": ours.RNN}


def cloned(kind, **sizes):
    """PyTorch's module and ours, from one seed."""
    torch.manual_seed(5)
    theirs = THEIRS[kind](**sizes)
    torch.manual_seed(5)
    return KINDS[kind](**sizes, device="cpu"), theirs


def numbers(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def states(kind, *shape, dtype=torch.float32, proj_size=0):
    h_shape = (*shape[:-1], proj_size) if proj_size else shape
    h, c = numbers(*h_shape, seed=1, dtype=dtype), numbers(*shape, seed=2, dtype=dtype)
    return (h.requires_grad_(), c.requires_grad_()) if kind == "lstm" else h.requires_grad_()


def flat(hx):
    return list(hx) if isinstance(hx, tuple) else [hx]


@pytest.mark.parametrize("kind", KINDS)
def test_first_weights_and_names_are_those_of_pytorch(kind):
    sizes = dict(input_size=7, hidden_size=5, num_layers=2, bidirectional=True)
    if kind == "lstm":
        sizes["proj_size"] = 3
    mine, theirs = cloned(kind, **sizes)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(mine.state_dict()[name], tensor), name
    theirs.load_state_dict(mine.state_dict())
    mine.load_state_dict(theirs.state_dict())


GRADCHECKED = [
    ("lstm", dict(num_layers=2, bidirectional=True)),
    ("lstm", dict(proj_size=2)),
    ("lstm", dict(peepholes=True, coupled_input_forget=True)),
    ("lstm", dict(layer_norm=True)),
    ("lstm", dict(learned_state=True, bias=False)),
    ("gru", dict(num_layers=2, bidirectional=True, merge="multiply")),
    ("gru", dict(reset="before", batch_first=True)),
    ("rnn", dict(num_layers=2, residual=True, reverse=True)),
    ("rnn", dict(activations=["softsign"])),
]


@pytest.mark.parametrize("kind, options", GRADCHECKED)
def test_gradients_pass_gradcheck(kind, options):
    torch.manual_seed(0)
    module = KINDS[kind](3, 3, **options, device="cpu").double()
    slots = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    x = numbers(
        *((2, 4, 3) if options.get("batch_first") else (4, 2, 3)), dtype=torch.float64
    ).requires_grad_()
    learned = options.get("learned_state")
    hx = (
        []
        if learned
        else flat(states(kind, slots, 2, 3, dtype=torch.float64, proj_size=options.get("proj_size", 0)))
    )
    parameters = list(module.parameters())

    def run(x, *rest):
        hx = None if learned else (tuple(rest[:2]) if kind == "lstm" else rest[0])
        output, hx = module(x, hx, lengths=[4, 2])
        return (output, *flat(hx))

    assert torch.autograd.gradcheck(run, (x, *hx, *parameters))


def test_gradcheck_is_red_for_a_gradient_that_is_wrong(monkeypatch):
    module = ours.GRU(3, 3, device="cpu").double()
    right = _autograd._tensor

    def wrong(array, like):
        return right(array * 1.01 if array.ndim == 1 else array, like)

    monkeypatch.setattr(_autograd, "_tensor", wrong)
    x = numbers(4, 2, 3, dtype=torch.float64).requires_grad_()
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(lambda x, *p: module(x)[0], (x, *module.parameters()))


def test_there_is_no_double_backward():
    module = ours.LSTM(3, 3, device="cpu").double()
    x = numbers(4, 2, 3, dtype=torch.float64).requires_grad_()
    output, _ = module(x)
    (by,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="double backward"):
        by.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_packed_sequences_have_the_gradients_of_pytorch(kind, dtype):
    mine, theirs = cloned(kind, input_size=7, hidden_size=5, num_layers=2, bidirectional=True)
    mine, theirs = mine.to(dtype), theirs.double()
    found = []
    for module, own in ((mine, dtype), (theirs, torch.float64)):
        leaves = [numbers(length, 7, seed=length).to(own).requires_grad_() for length in (3, 6, 1, 4)]
        hx = states(kind, 4, 4, 5)
        hx = (
            tuple(part.detach().to(own).requires_grad_() for part in hx)
            if kind == "lstm"
            else (hx.detach().to(own).requires_grad_())
        )
        output, hn = module(pack_sequence(leaves, enforce_sorted=False), hx)
        padded, lengths = pad_packed_sequence(output)
        loss = (padded * padded).sum() + sum((part * part * part).sum() for part in flat(hn))
        loss.backward()
        gradients = [leaf.grad for leaf in [*leaves, *flat(hx), *module.parameters()]]
        found.append([padded, lengths, *flat(hn), *gradients])
    bound = 1e-12 if dtype == torch.float64 else 1e-5
    for one, other in zip(*found):
        near(one, other, bound)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_without_a_batch(kind):
    mine, theirs = cloned(kind, input_size=7, hidden_size=5, batch_first=True)
    x = numbers(4, 7)
    hx = states(kind, 1, 5)
    output, hn = mine(x, hx)
    expected, other = theirs(x, hx)
    near(output, expected, 1e-6)
    for one, two in zip(flat(hn), flat(other)):
        near(one, two, 1e-6)
    with pytest.raises(ValueError, match="expected 2 axes beside an input of 2, found 3"):
        mine(x, states(kind, 1, 4, 5))


def test_a_graph_that_is_retained_gives_the_same_gradients():
    mine, _ = cloned("lstm", input_size=7, hidden_size=5, num_layers=2, dropout=0.5)
    x = numbers(4, 3, 7).requires_grad_()
    output, _ = mine(x)
    first = torch.autograd.grad(output.sum(), [x, *mine.parameters()], retain_graph=True)
    again = torch.autograd.grad(output.sum(), [x, *mine.parameters()])
    assert all(map(torch.equal, first, again))


def test_frozen_weights_and_inputs_have_no_gradient():
    mine, theirs = cloned("gru", input_size=7, hidden_size=5, num_layers=2)
    for module in (mine, theirs):
        module.weight_ih_l0.requires_grad_(False)
        module.weight_hh_l1.requires_grad_(False)
    x = numbers(4, 3, 7)
    for module in (mine, theirs):
        module(x)[0].square().sum().backward()
    for (name, one), other in zip(mine.named_parameters(), theirs.parameters()):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            near(one.grad, other.grad, 1e-5, name)


def test_weights_that_change_in_place_are_seen():
    mine, theirs = cloned("rnn", input_size=7, hidden_size=5)
    x = numbers(4, 3, 7)
    for change in ("copy", "data", "load"):
        for module in (mine, theirs):
            if change == "copy":
                with torch.no_grad():
                    module.weight_ih_l0.mul_(0.5)
            elif change == "data":
                module.weight_hh_l0.data.mul_(0.5)
            else:
                module.load_state_dict({name: tensor * 0.5 for name, tensor in module.state_dict().items()})
        near(mine(x)[0], theirs(x)[0], 1e-6, change)
    output, _ = mine(x)
    with torch.no_grad():
        mine.weight_ih_l0.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@pytest.mark.skipif(not hasattr(torch, "func"), reason="PyTorch before 2.0 has no torch.func")
def test_weights_of_a_call_may_be_others():
    mine, theirs = cloned("gru", input_size=7, hidden_size=5)
    x = numbers(4, 3, 7)
    found = []
    for module in (mine, theirs):
        sets = [
            {name: (p.detach() * factor).requires_grad_() for name, p in module.named_parameters()}
            for factor in (1.0, 0.5)
        ]
        outputs = [torch.func.functional_call(module, weights, (x,))[0] for weights in sets]
        sum(output.square().sum() for output in outputs).backward()
        found.append([p.grad for weights in sets for p in weights.values()])
    for one, other in zip(*found):
        near(one, other, 1e-5)


def test_dropout_follows_pytorchs_generator_and_training_alone():
    mine, theirs = cloned("lstm", input_size=7, hidden_size=64, num_layers=2, dropout=0.5)
    x = numbers(8, 16, 7)
    torch.manual_seed(1)
    one, _ = mine(x)
    other, _ = mine(x)
    torch.manual_seed(1)
    again, _ = mine(x)
    assert not torch.equal(one, other) and torch.equal(one, again)
    near(mine.eval()(x)[0], theirs.eval()(x)[0], 1e-6)
    mine.train()
    # Everything dropped, and nothing.
    mine.dropout = theirs.dropout = 1.0
    theirs.train()
    near(mine(x)[0], theirs(x)[0], 1e-6)
    with pytest.warns(UserWarning, match="2 layers or more"):
        ours.LSTM(7, 5, dropout=0.5, device="cpu")


def test_no_gradients_without_a_graph():
    mine, _ = cloned("gru", input_size=7, hidden_size=5)
    x = numbers(4, 3, 7)
    with torch.no_grad():
        output, h_n = mine(x)
    assert not output.requires_grad and not h_n.requires_grad
    with torch.inference_mode():
        assert torch.equal(mine(x)[0], output)
    assert mine(x)[0].requires_grad


def test_modules_are_copied_and_kept():
    mine, _ = cloned("lstm", input_size=7, hidden_size=5, bidirectional=True)
    x = numbers(4, 3, 7)
    expected = mine(x)[0]
    file = io.BytesIO()
    torch.save(mine, file)
    file.seek(0)
    for other in (
        copy.deepcopy(mine),
        pickle.loads(pickle.dumps(mine)),
        torch.load(file, weights_only=False),
    ):
        assert torch.equal(other(x)[0], expected)
        with torch.no_grad():
            other.weight_ih_l0.zero_()
        assert not torch.equal(other(x)[0], expected)
    assert torch.equal(mine(x)[0], expected)
    assert "LSTM(7, 5, bidirectional=True, engine='CPU" in repr(mine)
    mine.flatten_parameters()


def test_what_does_not_fit_is_refused():
    mine, _ = cloned("lstm", input_size=7, hidden_size=5)
    for call, sentence in [
        (lambda: mine(numbers(4, 3, 8)), "input: expected"),
        (lambda: mine(numbers(4, 3, 7).double()), "input: expected torch.float32"),
        (lambda: mine(numbers(4, 3, 7), numbers(1, 3, 5)), "hx: expected a pair"),
        (lambda: mine(numbers(4, 3, 7), (numbers(1, 2, 5), numbers(1, 2, 5))), "h_0: expected"),
        (lambda: copy.deepcopy(mine).half()(numbers(4, 3, 7)), "dtype: expected parameters of float32"),
        (lambda: ours.LSTM(7, 5, bidirectional=True, merge="apart"), "merge: expected"),
        (lambda: ours.GRU(7, 5)(numbers(4, 3, 7), (numbers(1, 3, 5),)), "hx: expected a tensor"),
    ]:
        with pytest.raises(ValueError) as found:
            call()
        assert sentence in str(found.value)
    with pytest.raises(TypeError, match="PyTorch draws the weights"):
        ours.LSTM(7, 5, init="xavier")


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_openmps_threads_end_before_a_long_call():
    def threads():
        return len(os.listdir("/proc/self/task"))

    mine, _ = cloned("lstm", input_size=64, hidden_size=64)
    # The engine's own threads are there already.
    mine(numbers(40, 16, 64))
    counts = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for steps in (1, 40):
            x = numbers(steps, 16, 64)
            numbers(400, 400).sin()
            awake = threads()
            output, _ = mine(x)
            counts.append(awake - threads())
            numbers(400, 400).sin()
            awake = threads()
            output.sum().backward()
            counts.append(awake - threads())
    finally:
        torch.set_num_threads(before)
    # Short calls leave them. Autograd's own pass may start threads, but the count falls.
    assert counts == [0, 0, 1, 1]


class Tagger(torch.nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 8)
        self.rnn = rnn
        self.linear = torch.nn.Linear(2 * rnn.hidden_size, 3)

    def forward(self, words):
        return self.linear(self.rnn(self.embedding(words))[0])


def test_a_model_learns_as_with_pytorchs_layer():
    words = torch.randint(11, (9, 6), generator=torch.Generator().manual_seed(3))
    tags = (words + words.roll(1, 0)) % 3
    curves, right = [], []
    for kind in (torch.nn.LSTM, lambda *sizes, **rest: ours.LSTM(*sizes, **rest, device="cpu")):
        torch.manual_seed(1)
        model = Tagger(kind(8, 16, num_layers=2, bidirectional=True))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(50):
            optimizer.zero_grad()
            predictions = model(words)
            loss = torch.nn.functional.cross_entropy(predictions.flatten(0, 1), tags.flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(np.array(losses))
        right.append((model(words).argmax(-1) == tags).float().mean().item())
    assert np.abs(curves[0] - curves[1]).max() < 1e-4
    assert right[0] == right[1] == 1.0
    assert curves[1][-1] < 0.1 * curves[1][0]
