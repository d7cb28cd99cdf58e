"""The targets of predictions, as the engine takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ._arrays import Array, read
from ._check import MOST_INT32, argument, shown, sizes

_EXPECTED = "classes [N] or [T, N] of whole numbers, or numbers [N, C] or [T, N, C] of float32"


def targets_of(value: Any, is_ctc: bool) -> Any:
    """Read targets: labels of a CTC loss as lists, classes as int32, numbers of float32 as they are."""
    if is_ctc:
        return _labels(value)
    array = _from_list(value) if isinstance(value, (list, tuple)) else read("targets", value)
    if array.dtype.kind in "iu" and array.ndim in (1, 2):
        if array.size and (array.max() > MOST_INT32 or array.min() < -MOST_INT32 - 1):
            raise argument("targets", "classes of 32 bits", "larger ones")
        return array.astype(np.int32)
    if array.dtype == np.float32 and array.ndim in (2, 3):
        return array
    raise argument("targets", _EXPECTED, f"{array.dtype} of shape {list(array.shape)}")


def _from_list(value: Any) -> Array:
    """Read a list of numbers, or of rows: whole numbers as they are, others as float32."""
    try:
        array = np.asarray([item.tolist() if hasattr(item, "tolist") else item for item in value])
    except ValueError:
        raise argument("targets", _EXPECTED, "rows of different lengths") from None
    except OverflowError:
        raise argument("targets", "classes of 32 bits", "larger ones") from None
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _labels(value: Any) -> list[list[int]]:
    """Read N labels of any lengths: lists, arrays, tensors, or the rows of one array."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise argument("targets", "a label for each sequence, a list of classes", shown(value))
    return [sizes(f"label {place}", label, 0, MOST_INT32) for place, label in enumerate(value)]
