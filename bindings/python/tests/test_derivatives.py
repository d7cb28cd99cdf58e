"""Derivatives that modules of PyTorch do not have are refused, and not left out."""

import pytest
import torch
from torch.autograd import forward_ad

import wgpu_rnn.torch as ours


def module_and_input(requires_grad=True):
    torch.manual_seed(3)
    module = ours.LSTM(3, 4, device="cpu").double()
    return module, torch.randn(5, 2, 3, dtype=torch.float64).requires_grad_(requires_grad)


def test_a_gradient_in_a_graph_is_not_a_constant():
    module, x = module_and_input()
    # The gradient of a sum is of ones, which need no gradient themselves.
    wanted = [x, *module.parameters()]
    gradients = torch.autograd.grad(module(x)[0].sum(), wanted, create_graph=True)
    assert all(gradient.requires_grad for gradient in gradients)
    for gradient in gradients:
        with pytest.raises(RuntimeError, match="double backward: expected one derivative"):
            torch.autograd.grad(gradient.square().sum(), wanted, retain_graph=True)
    with pytest.raises(RuntimeError, match="double backward"):
        torch.autograd.functional.hessian(lambda y: module(y)[0].sum(), x.detach())
    with pytest.raises(RuntimeError, match="double backward"):
        torch.autograd.gradgradcheck(lambda y: module(y)[0], (x,))


def test_a_penalty_of_the_gradient_is_refused():
    module, x = module_and_input()
    (by_input,) = torch.autograd.grad(module(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="double backward"):
        (by_input.norm() - 1).square().backward()


def test_a_graph_of_gradients_that_nobody_derives():
    module, x = module_and_input()
    expected = torch.autograd.grad(module(x)[0].sum(), [x, *module.parameters()])
    found = torch.autograd.grad(module(x)[0].sum(), [x, *module.parameters()], create_graph=True)
    assert all(map(torch.equal, found, expected))
    # Gradients are changed in place, as by clip_grad_norm_.
    for gradient in found:
        with torch.no_grad():
            gradient.mul_(0.5)
    module.requires_grad_(False)
    (alone,) = torch.autograd.grad(module(x)[0].sum(), x, create_graph=True)
    assert torch.equal(alone, expected[0])


@pytest.mark.parametrize("is_frozen", [False, True])
@pytest.mark.parametrize("place", ["input", "h_0", "weight_hh_l0"])
def test_forward_mode_is_refused(place, is_frozen):
    module, x = module_and_input(requires_grad=False)
    module.requires_grad_(not is_frozen)
    hx = (torch.zeros(1, 2, 4, dtype=torch.float64), torch.zeros(1, 2, 4, dtype=torch.float64))
    for grad in (True, False):
        with forward_ad.dual_level(), torch.set_grad_enabled(grad):
            if place == "input":
                given = forward_ad.make_dual(x, torch.ones_like(x)), hx
            elif place == "h_0":
                given = x, (forward_ad.make_dual(hx[0], torch.ones_like(hx[0])), hx[1])
            else:
                weight = module.weight_hh_l0.detach()
                del module.weight_hh_l0
                module.weight_hh_l0 = forward_ad.make_dual(weight, torch.ones_like(weight))
                given = x, hx
            with pytest.raises(RuntimeError, match="forward-mode derivative: expected tensors without"):
                module(*given)
            if place == "weight_hh_l0":
                del module.weight_hh_l0
                module.weight_hh_l0 = torch.nn.Parameter(weight)
            # A level without a tangent takes nothing away.
            module(x, hx)


def test_forward_mode_over_a_backward_pass_is_refused():
    module, x = module_and_input()
    with forward_ad.dual_level():
        output, _ = module(x)
        by = forward_ad.make_dual(torch.ones_like(output), torch.ones_like(output))
        with pytest.raises(RuntimeError, match="forward-mode derivative: expected tensors without"):
            torch.autograd.grad(output, x, by)


def test_batches_of_gradients_are_refused():
    module, x = module_and_input()
    output, _ = module(x)
    with pytest.raises(ValueError, match=r"gradient by output: expected a dense tensor .*is_grads_batched"):
        torch.autograd.grad(output, x, torch.ones(2, *output.shape).double(), is_grads_batched=True)


@pytest.mark.skipif(not hasattr(torch, "func"), reason="PyTorch before 2.0 has no torch.func")
def test_transforms_of_torch_func_are_refused():
    module, x = module_and_input(requires_grad=False)

    def loss(y):
        return module(y)[0].sum()

    for transform in (
        lambda: torch.func.grad(loss)(x),
        lambda: torch.func.vmap(loss)(x[None]),
        lambda: torch.func.jvp(loss, (x,), (x,)),
        lambda: torch.func.jacrev(loss)(x),
    ):
        with pytest.raises(RuntimeError, match=r"torch\.func: expected a call outside of its transforms"):
            transform()
