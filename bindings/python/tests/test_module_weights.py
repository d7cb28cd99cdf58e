"""The weights that a call of a module of PyTorch computes with, and what a saved call keeps."""

import gc
import io
import sys
import threading
import weakref

import pytest
import torch
from common import THEIRS, near
from torch.nn.utils import parametrize

import wgpu_rnn.torch as ours

KINDS = {"lstm": ours.LSTM, "gru": ours.GRU, "rnn": ours.RNN}


class OfThread(torch.nn.Module):
    """A weight of each thread."""

    def __init__(self):
        super().__init__()
        self.own = threading.local()

    def forward(self, weight):
        return weight * getattr(self.own, "factor", 1.0)


@pytest.mark.parametrize("learns", [False, True])
def test_threads_with_weights_that_differ(device, learns):
    torch.manual_seed(0)
    module = ours.GRU(3, 5, device=device)
    factor = OfThread()
    parametrize.register_parametrization(module, "weight_ih_l0", factor)
    x = torch.randn(4, 2, 3)

    def results():
        if not learns:
            with torch.no_grad():
                return [module(x)[0]]
        output, _ = module(x)
        return [output, *torch.autograd.grad(output.sum(), list(module.parameters()))]

    expected, wrong = [], []
    for thread in range(4):
        factor.own.factor = thread + 1.0
        expected.append(results())

    def run(thread):
        factor.own.factor = thread + 1.0
        for _ in range(300):
            if not all(map(torch.equal, results(), expected[thread])):
                wrong.append(thread)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(thread,)) for thread in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    finally:
        sys.setswitchinterval(interval)
    assert not wrong, f"{len(wrong)} of 1200 calls"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_graph_has_the_weights_of_its_call(kind, dtype):
    torch.manual_seed(5)
    module, other = KINDS[kind](7, 5, device="cpu").to(dtype), THEIRS[kind](7, 5).double()
    other.load_state_dict(module.state_dict())
    x, y = torch.randn(2, 4, 3, 7, dtype=dtype)
    expected = torch.autograd.grad(other(x.double())[0].square().sum(), list(other.parameters()))
    first = module(x)[0].square().sum()
    module.weight_hh_l0.data = module.weight_hh_l0.data * 0.25
    module.weight_ih_l0.data = module.weight_ih_l0.data + 1.0
    # Another call gives the engine's network the new weights.
    module(y)
    found = torch.autograd.grad(first, list(module.parameters()))
    for one, two in zip(found, expected):
        near(one, two, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_that_keeps_its_results_is_freed(kind):
    module = KINDS[kind](3, 4, device="cpu")
    module.kept = module(torch.randn(5, 2, 3))
    seen = weakref.ref(module)
    del module
    gc.collect()
    assert seen() is None


def test_the_engine_is_that_of_the_parameters_dtype():
    module = ours.LSTM(3, 4, device="cpu")
    single = module.engine
    double = module.double().engine
    assert "reference" not in single and "reference" in double
    assert f"engine={double!r}" in repr(module)
    assert module.float().engine == single


@pytest.mark.parametrize("dropout", [float("nan"), -0.5, 1.5, "0.5"])
def test_a_dropout_that_is_no_probability_is_refused_by_a_call(dropout):
    module = ours.GRU(3, 4, num_layers=2, dropout=0.5, device="cpu")
    module.dropout = dropout
    with pytest.raises(ValueError, match="dropout: expected a probability from 0 to 1, found"):
        module(torch.randn(5, 2, 3))
    module.eval()(torch.randn(5, 2, 3))


def test_a_dropout_of_one_layer_drops_nothing():
    with pytest.warns(UserWarning, match="2 layers or more"):
        module = ours.GRU(3, 4, dropout=0.5, device="cpu")
    x = torch.randn(5, 2, 3)
    assert torch.equal(module.train()(x)[0], module.eval()(x)[0])


def test_a_small_gradient_is_saved_small():
    module = ours.LSTM(128, 128, device="cpu")
    module(torch.randn(2, 1, 128))[0].sum().backward()
    file = io.BytesIO()
    torch.save(module.bias_ih_l0.grad, file)
    assert len(file.getvalue()) < 10_000
