"""PyTorch's own inputs for tests of modules (``torch.testing``), given to PyTorch's modules and to ours."""

import pickle
import warnings

import pytest
import torch
from common import near
from torch.nn.utils.rnn import PackedSequence

import wgpu_rnn.torch as ours

with warnings.catch_warnings():
    # Of what PyTorch's tests use beside.
    warnings.simplefilter("ignore")
    from torch.testing._internal import common_modules as theirs

OURS = {"RNN": ours.RNN, "GRU": ours.GRU, "LSTM": ours.LSTM}
INFOS = {info.module_cls.__name__: info for info in theirs.module_db if info.module_cls.__name__ in OURS}
HAS_PACKED = hasattr(theirs, "make_packed_sequence")
COUNTS = {"RNN": 32, "GRU": 16, "LSTM": 32}
DTYPES = {torch.float32: 1e-5, torch.float64: 1e-12}


def samples(kind, dtype, requires_grad=False, packed=False):
    more = {"with_packed_sequence": True} if packed else {}
    torch.manual_seed(3)
    make = INFOS[kind].module_inputs_func
    found = make(INFOS[kind], device="cpu", dtype=dtype, requires_grad=requires_grad, training=False, **more)
    return list(found)


def pair(kind, sample, dtype):
    """PyTorch's module and ours, of one sample, with the same weights."""
    arguments, keywords = sample.constructor_input.args, sample.constructor_input.kwargs
    torch.manual_seed(4)
    other = INFOS[kind].module_cls(*arguments, **keywords)
    mine = OURS[kind](*arguments, **keywords, device="cpu")
    mine.load_state_dict(other.state_dict())
    return mine.to(dtype), other.to(dtype)


def tensors(results):
    """All tensors of a result, or of arguments."""
    if isinstance(results, PackedSequence):
        return [results.data]
    if isinstance(results, torch.Tensor):
        return [results]
    return [tensor for part in results for tensor in tensors(part)]


def spread(given):
    """The same numbers, apart in memory."""
    if isinstance(given, tuple):
        return tuple(map(spread, given))
    return torch.stack([given, given], -1)[..., 0]


def both(kind, sample, dtype):
    """The results of both modules, and the gradients of the sum of their squares."""
    found = []
    for module in pair(kind, sample, dtype):
        given = sample.forward_input.args
        leaves = [*tensors(given), *module.parameters()]
        results = tensors(module(*given))
        gradients = torch.autograd.grad(sum(result.square().sum() for result in results), leaves)
        found.append([*results, *gradients])
    return found


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_and_gradients_of_pytorchs_inputs(kind, dtype):
    given = samples(kind, dtype, requires_grad=True)
    assert len(given) == COUNTS[kind]
    for sample in given:
        mine, other = both(kind, sample, dtype)
        assert len(mine) == len(other)
        for one, two in zip(mine, other):
            near(one, two, DTYPES[dtype], repr(sample.constructor_input.kwargs))


@pytest.mark.skipif(not HAS_PACKED, reason="PyTorch before 2.1 has no packed inputs for tests")
@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_packed_inputs_of_pytorchs(kind):
    given = samples(kind, torch.float32, requires_grad=True, packed=True)
    given = [sample for sample in given if isinstance(sample.forward_input.args[0], PackedSequence)]
    assert len(given) == COUNTS[kind]
    for sample in given:
        mine, other = both(kind, sample, torch.float32)
        for one, two in zip(mine, other):
            near(one, two, DTYPES[torch.float32], repr(sample.constructor_input.kwargs))


@pytest.mark.parametrize("kind", OURS)
def test_inputs_that_lie_apart_and_modules_that_were_pickled(kind):
    for sample in samples(kind, torch.float32):
        mine, _ = pair(kind, sample, torch.float32)
        given = sample.forward_input.args
        expected = tensors(mine(*given))
        apart = spread(given)
        assert not any(tensor.is_contiguous() for tensor in tensors(apart))
        for results in (mine(*apart), pickle.loads(pickle.dumps(mine))(*given)):
            assert all(map(torch.equal, tensors(results), expected))


@pytest.mark.parametrize("kind", OURS)
def test_gradcheck_of_pytorchs_inputs(kind):
    # One sample in four: the check is slow.
    for sample in samples(kind, torch.float64, requires_grad=True)[::4]:
        mine, _ = pair(kind, sample, torch.float64)
        given = sample.forward_input.args
        mine.requires_grad_(True)

        def run(*leaves, module=mine, given=given):
            states = leaves[1 : len(tensors(given))]
            rest = () if len(given) == 1 else (states,) if len(states) > 1 else states
            return tuple(tensors(module(leaves[0], *rest)))

        assert torch.autograd.gradcheck(run, (*tensors(given), *mine.parameters()))


ERRORS = getattr(INFOS["LSTM"], "module_error_inputs_func", None)


@pytest.mark.skipif(ERRORS is None, reason="PyTorch before 2.0 has no mistakes for tests")
@pytest.mark.parametrize("kind", OURS)
def test_mistakes_of_pytorchs_raise_its_exceptions(kind):
    mistakes = INFOS[kind].module_error_inputs_func(
        INFOS[kind], device="cpu", dtype=torch.float32, requires_grad=False, training=False
    )
    assert len(mistakes) >= 10
    for mistake in mistakes:
        sample = mistake.module_error_input
        arguments, keywords = sample.constructor_input.args, sample.constructor_input.kwargs
        if mistake.error_on == theirs.ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(mistake.error_type):
                OURS[kind](*arguments, **{"device": "cpu", **keywords})
        else:
            module = OURS[kind](*arguments, **keywords)
            with pytest.raises(mistake.error_type):
                module(*sample.forward_input.args)
