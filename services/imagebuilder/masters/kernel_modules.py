# SPDX-License-Identifier: Apache-2.0
"""Kernel modules with all they need, in the order they must be loaded: read from the modules themselves."""

import lzma
import re
from collections.abc import Sequence
from pathlib import Path

from services.common.contracts.errors import ImageFailed

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def modules_in_order(tree: Path, wanted: Sequence[str]) -> dict[str, bytes]:
    """File name -> content (not compressed), dependencies first. What is built into the kernel is left out.

    `tree` is lib/modules/<version>; ImageFailed names a module that is neither there nor built in.
    """
    files = {_name(path.name): path for path in sorted(tree.rglob("*.ko*"))}
    built_in = {_name(Path(line).name) for line in (tree / "modules.builtin").read_text().splitlines()}
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if f"{name}.ko" in order or name in built_in:
            return
        if name not in files:
            raise ImageFailed(f"this kernel has no module {name}")
        content = _content(files[name])
        for needed in _depends(content):
            add(needed)
        order[f"{name}.ko"] = content

    for name in wanted:
        add(name)
    return order


def _name(file: str) -> str:
    return file.split(".ko")[0].replace("-", "_")


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _depends(content: bytes) -> list[str]:
    found = _DEPENDS.search(content)
    return [_name(name) for name in found[1].decode().split(",") if name] if found else []
