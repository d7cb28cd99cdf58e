"""The calls of modules of PyTorch, and their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ._arrays import Array
from ._networks import Network, Networks
from ._wgpu_rnn import Saved

# Gradients of so many numbers or fewer have a memory of their own. Others are parts of one array.
_SMALL = 1 << 12

# PyTorch before 2.0 has no transforms of its own.
_transforms_are_active = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)


class Call(NamedTuple):
    """What a call has beside its tensors: the network's dtype, the lengths, the dropout."""

    dtype: str
    lengths: list[int] | None
    dropping: tuple[float, int, int, bool] | None

    def options(self) -> dict[str, Any]:
        """Give the options of the engine's call."""
        return {"last_only": False, "cell_states": False, "every_layer": False, "dropout": self.dropping}


def compute(
    networks: Networks, call: Call, inputs: list[Tensor | None], parameters: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Compute ``output, h_n, c_n`` of ``input, h_0, c_0``, with a graph where one is wanted."""
    tensors = [*inputs, *parameters]
    _refuse_other_derivatives(tensors)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        results = _Saved.apply(networks, call, *tensors)
        return cast("tuple[Tensor, Tensor, Tensor | None]", results)
    input, h_0, c_0 = _inputs(inputs)
    with networks.holding(call.dtype, _weights(networks, parameters)) as network:
        networks.rest(call.dtype, input.size)
        results, like = network.rnn.call(input, h_0, c_0, call.lengths, None, call.options()), inputs[0]
    return _tensor(results[0], like), _tensor(results[1], like), _optional(results[2], like)


class _Saved(torch.autograd.Function):
    """A call that is saved, and its backward pass."""

    @staticmethod
    def forward(
        ctx: Any, networks: Networks, call: Call, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        ctx.networks, ctx.call = networks, call
        ctx.copies = _weights(networks, tensors[3:])
        with networks.holding(call.dtype, ctx.copies) as network:
            ctx.copies, ctx.rnn = network.copies, network.rnn
            results, ctx.saved = _save(ctx, network, tensors[:3])
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        like = tensors[0]
        return _tensor(results[0], like), _tensor(results[1], like), _optional(results[2], like)

    @staticmethod
    def backward(ctx: Any, *by: Tensor | None) -> tuple[Any, ...]:
        tensors = ctx.saved_tensors
        _refuse_other_derivatives(by)
        if all(gradient is None for gradient in by):
            return (None,) * (2 + len(tensors))
        with torch.no_grad():
            gradients = _gradients(ctx, tensors, by)
        if torch.is_grad_enabled():
            # The graph of the gradients is wanted. A gradient without one would be a constant, silently.
            gradients = _Once.apply(len(gradients), *gradients, *tensors, *by)
        return (None, None, *gradients)


class _Once(torch.autograd.Function):
    """The gradients of a call, whose own derivatives are refused."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor | None) -> tuple[Tensor | None, ...]:
        # Copies can be changed in place, views of a function's result cannot.
        return tuple(None if tensor is None else tensor.clone() for tensor in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *by: Tensor | None) -> tuple[Any, ...]:
        raise RuntimeError(
            "double backward: expected one derivative of a layer of wgpu_rnn.torch, found its gradient "
            "differentiated (torch.nn's layers have second derivatives)"
        )


def _gradients(ctx: Any, tensors: tuple[Any, ...], by: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    """Give the gradients by input, h_0, c_0 and the parameters."""
    networks, call, like = ctx.networks, ctx.call, tensors[0]
    wants = ctx.needs_input_grad[2:]
    learning = {layer for layer, wanted in zip(networks.layers, wants[3:]) if wanted}
    frozen = [layer for layer in range(max(networks.layers) + 1) if layer not in learning]
    names = ("output", "h_n", "c_n")
    arrays = {name: _array(f"gradient by {name}", gradient) for name, gradient in zip(names, by)}
    networks.rest(call.dtype, like.numel())
    try:
        by_input, by_h_0, by_c_0, flat = ctx.rnn.backward(ctx.saved, arrays, wants[0], frozen)
    except RuntimeError as error:
        # A graph that is retained is gone through again; a network may have had other weights since.
        if getattr(error, "code", "") not in ("SavedUsed", "WeightsChanged"):
            raise
        with networks.holding(call.dtype, ctx.copies) as network:
            _, saved = _save(ctx, network, tensors[:3])
            by_input, by_h_0, by_c_0, flat = network.rnn.backward(saved, arrays, wants[0], frozen)
    states = zip(wants, (by_input, by_h_0, by_c_0))
    gradients = [_optional(array, like) if wanted else None for wanted, array in states]
    whole = _tensor(flat, like)
    for wanted, (_, start, end, shape) in zip(wants[3:], networks.places):
        part = whole[start:end].view(shape) if wanted else None
        gradients.append(part.clone() if part is not None and end - start <= _SMALL else part)
    return gradients


def _save(ctx: Any, network: Network, tensors: tuple[Tensor | None, ...]) -> tuple[Any, Saved]:
    """Compute a call with the weights that it had when it was first computed, which the network has."""
    call = ctx.call
    input, h_0, c_0 = _inputs(tensors)
    ctx.networks.rest(call.dtype, input.size)
    return network.rnn.forward_saved(input, h_0, c_0, call.lengths, call.options())


def _refuse_other_derivatives(tensors: Iterable[Tensor | None]) -> None:
    """Refuse the derivatives that would be left out without a word: forward mode, torch.func."""
    if _transforms_are_active():
        raise RuntimeError(
            "torch.func: expected a call outside of its transforms, found one inside of grad, vmap, jvp or "
            "others (torch.autograd has the gradients of a layer of wgpu_rnn.torch)"
        )
    # Outside of any forward-mode level, the level is -1 and no tensor has a tangent.
    if getattr(forward_ad, "_current_level", 0) < 0:
        return
    for tensor in tensors:
        if tensor is None:
            continue
        if forward_ad.unpack_dual(tensor).tangent is not None:  # type: ignore[no-untyped-call]
            raise RuntimeError(
                "forward-mode derivative: expected tensors without a tangent, found a dual tensor (a layer "
                "of wgpu_rnn.torch has reverse-mode gradients alone)"
            )


def _inputs(tensors: Any) -> tuple[Array, Array | None, Array | None]:
    input, h_0, c_0 = map(_array, ("input", "h_0", "c_0"), tensors)
    return cast(Array, input), h_0, c_0


def _weights(networks: Networks, parameters: Any) -> list[Array]:
    return cast("list[Array]", list(map(_array, networks.names, parameters)))


def _array(name: str, tensor: Tensor | None) -> Array | None:
    if tensor is None:
        return None
    try:
        array: Array = tensor.numpy(force=True)
    except (NotImplementedError, RuntimeError, TypeError) as error:
        is_plain = tensor.layout == torch.strided and tensor.device.type != "meta"
        kind = (
            "a batched one (vectorize, is_grads_batched)"
            if is_plain
            else f"{tensor.layout} on {tensor.device}"
        )
        raise ValueError(f"{name}: expected a dense tensor with numbers, found {kind}") from error
    return array


def _tensor(array: Array, like: Any) -> Tensor:
    return torch.from_numpy(array).to(like.device)


def _optional(array: Array | None, like: Any) -> Tensor | None:
    return None if array is None else _tensor(array, like)
