"""Arguments as the engine takes them, or an error of the argument, the expectation and the finding."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping, Set
from typing import Any, TypeVar

T = TypeVar("T")

MOST_INT32 = 2**31 - 1
MOST_UINT32 = 2**32 - 1
MOST_SIZE = 2**63 - 1
MOST_SEED = 2**64 - 1
MOST_FLOAT32 = 3.4028234663852886e38


def argument(name: str, expected: str, found: object, kind: type[Exception] = ValueError) -> Exception:
    """Make the error of an argument, to be raised."""
    error: Any = kind(f"{name}: expected {expected}, found {found}")
    error.code = "Argument"
    made: Exception = error
    return made


def shown(value: object) -> str:
    """Show a value in an error: short ones as Python writes them, others by their type."""
    text = repr(value)
    return text if len(text) <= 40 else type(value).__name__


def size(name: str, value: Any, least: int = 0, most: int = MOST_SIZE) -> int:
    """Check a whole number."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise argument(name, "a whole number", shown(value), TypeError)
    if number < least:
        raise argument(name, f"at least {least}", number)
    if number > most:
        raise argument(name, f"at most {most}", number)
    return number


def sizes(name: str, value: Any, least: int = 0, most: int = MOST_SIZE) -> list[int]:
    """Check a sequence of whole numbers: a list, an array, a tensor."""
    if isinstance(value, (str, bytes, bytearray, Mapping, Set)):
        raise argument(name, "a sequence of whole numbers", shown(value))
    given = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(given, Iterable):
        raise argument(name, "a sequence of whole numbers", shown(value))
    numbers = []
    for item in given:
        try:
            numbers.append(size(name, item, least, most))
        except TypeError:
            raise argument(name, "whole numbers", shown(item)) from None
    return numbers


def real(name: str, value: Any, most: float = MOST_FLOAT32) -> float:
    """Check a number that is finite, or with ``most=inf`` any."""
    if isinstance(value, (bool, str)) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise argument(name, "a number", shown(value), TypeError)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise argument(name, "a number", shown(value), TypeError) from None
    except OverflowError:
        number = math.inf
    if most < math.inf and not abs(number) <= most:
        raise argument(name, "a finite number of float32", shown(value))
    return number


def reals(name: str, value: Any) -> list[float]:
    """Check a sequence of finite numbers."""
    if isinstance(value, (str, bytes, Mapping, Set)) or not isinstance(value, Iterable):
        raise argument(name, "a sequence of numbers", shown(value), TypeError)
    return [real(name, number) for number in value]


def pair(name: str, value: Any, most: float = MOST_FLOAT32) -> tuple[float, float]:
    """Check a pair of numbers."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise argument(name, "a pair of numbers", shown(value), TypeError)
    return real(name, value[0], most), real(name, value[1], most)


def flag(name: str, value: Any) -> bool:
    """Check True or False, Python's or NumPy's."""
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):
        raise argument(name, "True or False", shown(value), TypeError)
    return bool(value)


def text(name: str, value: Any) -> str:
    """Check a text."""
    if not isinstance(value, str):
        raise argument(name, "a text", shown(value), TypeError)
    return value


def texts(name: str, value: Any) -> list[str]:
    """Check a sequence of texts."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise argument(name, "a sequence of texts", shown(value), TypeError)
    return [text(name, item) for item in value]


def made(name: str, value: Any, kind: type[T]) -> T:
    """Check an object of a class of this package."""
    if not isinstance(value, kind):
        raise argument(name, f"a {kind.__name__} of wgpu_rnn", shown(value), TypeError)
    return value


def device(value: Any) -> str:
    """Check a device's name; the engine knows the adapters."""
    if not isinstance(value, str):
        raise argument("device", "a text: auto, gpu, gpu:ADAPTER, cpu or reference", shown(value), TypeError)
    kind, _, part = value.partition(":")
    if kind == "gpu" and part.isdecimal():
        raise argument("device", "gpu: and a part of an adapter's name, not its number", repr(value))
    return value


def path(name: str, value: Any) -> str:
    """Check the path of a file."""
    try:
        found = os.fspath(value)
    except TypeError:
        raise argument(name, "a path", shown(value), TypeError) from None
    return os.fsdecode(found)


def new_file(value: Any, *endings: str) -> str:
    """Check the path of a file that is written: its folder, and its ending where the format is fixed."""
    found = path("path", value)
    folder = os.path.dirname(found)
    if folder and not os.path.isdir(folder):
        raise argument("path", "a file in a folder that exists", repr(found))
    if endings and os.path.splitext(found)[1] not in endings:
        raise argument("path", f"a name that ends in {endings[0]}", repr(found))
    return found
