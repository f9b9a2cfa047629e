# SPDX-License-Identifier: Apache-2.0
"""Inner loops are compiled where Numba is installed; without it nobody calls them.

What was compiled is kept on disk, in a folder named by all sources here: Numba itself looks at one file only, and
would go on using a formula that was changed in another.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

try:
    import numba
except ImportError:
    numba = None

COMPILES = numba is not None


def _kept_in() -> str:
    """The folder for machine code of just these sources; "" where none can be written."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    root = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    folder = root / "innkeeper" / "numba" / digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


FOLDER = _kept_in() if COMPILES else ""
if FOLDER:
    numba.config.CACHE_DIR = FOLDER


def compiled(function: F) -> F:
    """The function as machine code; the same function where there is no Numba.

    It can't make arrays: they are handed in. So nobody counts who refers to them, which would take most of the time.
    """
    if numba is None:
        return function
    code: F = numba.njit(cache=bool(FOLDER), error_model="numpy", _nrt=False)(function)
    return code
