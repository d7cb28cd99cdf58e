"""PyTorch's OpenMP threads, which stay awake for milliseconds after an operation.

They keep the cores that the CPU engine's threads need. A pause of OpenMP (5.0, section 3.6) ends them;
PyTorch's next parallel operation starts new ones, in some 50 us.
"""

from __future__ import annotations

import ctypes
from typing import Callable

_SOFT = 1


def _found() -> Callable[[int], int] | None:
    try:
        # PyDLL keeps the GIL: the threads that end are those of the caller.
        pause: Callable[[int], int] = ctypes.PyDLL(None).omp_pause_resource_all
    except (AttributeError, OSError, TypeError):
        # OpenMP before 5.0, or a system whose programs have no table of all names.
        return None
    return pause


_pause = _found()


def rest() -> None:
    """End OpenMP's threads of this thread, where OpenMP can."""
    if _pause is not None:
        _pause(_SOFT)
