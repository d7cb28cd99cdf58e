"""The arrays that cross: NumPy's as they are, others without a copy on the host."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Callable, Union

import numpy as np
import numpy.typing as npt

from ._check import MOST_SIZE, argument, size, sizes

__all__ = ["Array", "GiveBack", "Lengths", "giver", "is_tensor", "lengths_of", "read", "size"]

Array = npt.NDArray[Any]
Lengths = Union[Iterable[int], Array]
GiveBack = Callable[[Array], Any]


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor of PyTorch, which need not be there."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def read(name: str, value: Any) -> Array:
    """Read an array: NumPy's, a tensor of PyTorch, or anything with ``__dlpack__`` or the buffer protocol.

    The numbers are not copied if they are on the host.
    """
    if type(value) is np.ndarray:
        return value
    if is_tensor(value):
        torch = sys.modules["torch"]
        if value.requires_grad and torch.is_grad_enabled():
            raise argument(
                name,
                "a tensor without gradient",
                "requires_grad (the layers of wgpu_rnn.torch have gradients)",
            )
        array: Array = value.detach().cpu().numpy()
        return array
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    try:
        return np.asarray(memoryview(value))
    except TypeError:
        pass
    expected = "an array of NumPy or PyTorch, or one with __dlpack__ or the buffer protocol"
    raise argument(name, expected, type(value).__name__)


def giver(like: Any) -> GiveBack | None:
    """Tell how results are given back beside an input: as tensors of its device, or as they are."""
    if not is_tensor(like):
        return None
    torch = sys.modules["torch"]
    if like.device.type == "cpu":
        from_numpy: GiveBack = torch.from_numpy
        return from_numpy
    return lambda array: torch.from_numpy(array).to(like.device)


def lengths_of(value: Lengths | None) -> list[int] | None:
    """Read lengths, of any kind of sequence of whole numbers."""
    # The engine refuses negative ones, beside T.
    return None if value is None else sizes("lengths", value, -MOST_SIZE)
