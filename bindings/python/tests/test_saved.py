"""Every argument of saved calls and their gradients, against PyTorch."""

import numpy as np
import pytest
import torch
from common import THEIRS, near, theirs

import wgpu_rnn

ENGINES = [{}, {"device": "reference", "dtype": "float64"}]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def made(engine, device, **options):
    engine = {"device": device, **engine}
    sizes = {"input_size": 3, "hidden_size": 5, **options}
    return wgpu_rnn.LSTM(**sizes, seed=1, **engine), engine.get("dtype", "float32")


def layers_of(net):
    """One module of PyTorch in f64 for each layer of one direction."""
    modules = []
    for layer in range(net.num_layers):
        module = THEIRS["lstm"](3 if layer == 0 else net.hidden_size, net.hidden_size).double()
        own = {
            name[:-1] + "0": torch.from_numpy(np.array(array))
            for name, array in net.state_dict().items()
            if name.endswith(f"_l{layer}")
        }
        module.load_state_dict(own)
        modules.append(module)
    return modules


def gradients_of(modules):
    return {
        f"{name[:-1]}{layer}": np.zeros(tensor.shape) if tensor.grad is None else tensor.grad
        for layer, module in enumerate(modules)
        for name, tensor in module.named_parameters()
    }


def compare(net, saved, found, leaf, modules):
    near(found.input, leaf.grad, 1e-5, "input")
    for name, gradient in gradients_of(modules).items():
        near(found.weights()[name], gradient, 1e-5, name)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
@pytest.mark.parametrize("argument", ["output", "h_n", "c_n", "cell_states", "lower"])
def test_gradients_by_each_result(engine, argument, device):
    net, dtype = made(engine, device, num_layers=3)
    x = numbers(4, 2, 3).astype(dtype)
    result, saved = net.forward_saved(x, cell_states=True, every_layer=True)
    modules = layers_of(net)
    leaf = torch.from_numpy(x).double().requires_grad_()
    above, outputs, finals = leaf, [], []
    for layer, module in enumerate(modules):
        # A step at a time, for the cell states.
        hx, steps, cells = None, [], []
        for step in above:
            output, hx = module(step[None], hx)
            steps.append(output[0])
            cells.append(hx[1][0])
        above = torch.stack(steps)
        outputs.append(above)
        finals.append(hx)
        if layer == 2:
            last_cells = torch.stack(cells)
    expected = {
        "output": [outputs[-1]],
        "h_n": [torch.cat([h for h, _ in finals])],
        "c_n": [torch.cat([c for _, c in finals])],
        "cell_states": [last_cells],
        "lower": outputs[:-1],
    }[argument]
    got = getattr(result, argument)
    got = got if argument == "lower" else [got]
    for one, other in zip(got, expected):
        near(one, other, 1e-5, argument)
    assert len(got) == len(expected)
    by = [numbers(*tensor.shape, seed=7 + place) for place, tensor in enumerate(expected)]
    sum((tensor * torch.from_numpy(part)).sum() for tensor, part in zip(expected, by)).backward()
    parts = [part.astype(dtype) for part in by]
    found = saved.backward(**{argument: parts if argument == "lower" else parts[0]})
    compare(net, saved, found, leaf, modules)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_gradients_by_directions_apart(engine, device):
    net, dtype = made(engine, device, bidirectional=True, merge="apart")
    module = theirs("lstm", net, {"input_size": 3, "hidden_size": 5, "bidirectional": True})
    x = numbers(4, 2, 3).astype(dtype)
    leaf = torch.from_numpy(x).double().requires_grad_()
    forward, reverse = module(leaf)[0].chunk(2, 2)
    by = [numbers(4, 2, 5, seed=seed) for seed in (1, 2)]
    (forward * torch.from_numpy(by[0]) + reverse * torch.from_numpy(by[1])).sum().backward()
    result, saved = net.forward_saved(x)
    near(result.output, forward, 1e-5)
    near(result.output_reverse, reverse, 1e-5)
    found = saved.backward(by[0].astype(dtype), output_reverse=by[1].astype(dtype))
    near(found.input, leaf.grad, 1e-5)
    for name, parameter in module.named_parameters():
        near(found.weights()[name], parameter.grad, 1e-5, name)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
@pytest.mark.parametrize("wants_input", [True, False])
@pytest.mark.parametrize("frozen", [[], [0], [1], [0, 2]])
def test_frozen_layers_and_no_gradient_by_the_input(engine, frozen, wants_input, device):
    net, dtype = made(engine, device, num_layers=3)
    modules = layers_of(net)
    x = numbers(4, 2, 3).astype(dtype)
    leaf = torch.from_numpy(x).double().requires_grad_()
    above = leaf
    for layer, module in enumerate(modules):
        module.requires_grad_(layer not in frozen)
        above = module(above)[0]
    by = numbers(4, 2, 5, seed=1)
    (above * torch.from_numpy(by)).sum().backward()
    _, saved = net.forward_saved(x)
    found = saved.backward(by.astype(dtype), frozen=frozen, wants_input=wants_input)
    assert (found.input is not None) == wants_input
    if wants_input:
        near(found.input, leaf.grad, 1e-5)
    for name, gradient in gradients_of(modules).items():
        near(found.weights()[name], gradient, 1e-5, name)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_the_last_output_alone(engine, device):
    net, dtype = made(engine, device)
    module = theirs("lstm", net, {"input_size": 3, "hidden_size": 5})
    x = numbers(4, 2, 3).astype(dtype)
    leaf = torch.from_numpy(x).double().requires_grad_()
    output = module(leaf)[0][-1:]
    by = numbers(1, 2, 5, seed=1)
    (output * torch.from_numpy(by)).sum().backward()
    result, saved = net.forward_saved(x, last_only=True)
    near(result.output, output, 1e-5)
    near(saved.backward(by.astype(dtype)).input, leaf.grad, 1e-5)


def dropped(net, x, **arguments):
    """The first layer's outputs, and the last layer's, of a call with dropout."""
    result, _ = net.forward_saved(x, every_layer=True, **arguments)
    return result.lower[0], result.output


def test_the_masks_of_a_call(device):
    net, _ = made({}, device, num_layers=2, dropout=0.5)
    plain, _ = made({}, device, num_layers=2)
    x = numbers(4, 2, 3).astype(np.float32)
    assert np.array_equal(dropped(net, x)[1], plain(x)[0])
    assert np.array_equal(dropped(plain, x, drop=3)[1], plain(x)[0])
    first = dropped(net, x, drop=3, seed=7)[1]
    assert not np.array_equal(first, plain(x)[0])
    assert np.array_equal(first, dropped(net, x, drop=3, seed=7)[1])
    assert not np.array_equal(first, dropped(net, x, drop=4, seed=7)[1])
    assert not np.array_equal(first, dropped(net, x, drop=3, seed=8)[1])


def test_dropout_is_a_mask_between_layers(device):
    # The second layer adds a unit's number to every other: its output shows what it has read.
    net = wgpu_rnn.RNN(3, 64, 2, nonlinearity="relu", bias=False, dropout=0.25, device=device)
    state = net.state_dict()
    state["weight_ih_l1"] = np.eye(64, dtype=np.float32)
    state["weight_hh_l1"] = np.zeros((64, 64), np.float32)
    net.load_state_dict(state)
    x = np.abs(numbers(20, 5, 3)).astype(np.float32)
    lower = net.call(x, every_layer=True).lower[0]
    _, output = dropped(net, x, drop=1)
    alive = lower > 0
    scale = output[alive] / lower[alive]
    kept = scale > 0.5
    near(scale[kept], np.full(kept.sum(), 1 / 0.75), 1e-5)
    assert (scale[~kept] == 0).all()
    assert abs(kept.mean() - 0.75) < 0.05, kept.mean()
