# SPDX-License-Identifier: Apache-2.0
"""Inner loops are compiled where Numba is installed; without it nobody calls them."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

try:
    from numba import njit
except ImportError:
    njit = None

COMPILES = njit is not None


def compiled(function: F) -> F:
    """The function as machine code, kept on disk between runs; the same function where there is no Numba."""
    if njit is None:
        return function
    code: F = njit(cache=True, error_model="numpy")(function)
    return code
