# SPDX-License-Identifier: Apache-2.0
"""A small CD-ROM image in memory: ISO 9660 with Rock Ridge and Joliet. The same files give the same bytes."""

import re
import time
from collections.abc import Mapping
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pycdlib
from pycdlib import dates, headervd, utils
from pycdlib import pycdlib as writer

LABEL = "CIDATA"
# What a file is called even where the bare names alone are read.
_PLAIN = re.compile(r"[A-Z0-9_]{1,8}\.[A-Z0-9_]{1,3}")


# 1980-01-01 in UTC: no format's calendar begins later.
_MOMENT = 315532800.0
_standing_clock = SimpleNamespace(
    **{**vars(time), "time": lambda: _MOMENT, "localtime": time.gmtime},
)
# pycdlib stamps every record with the present and takes no other time. Its modules get this clock, nobody else.
for _module in (dates, headervd, writer, utils):
    _module.time = _standing_clock


def iso_image(files: Mapping[str, bytes], label: str = LABEL) -> bytes:
    """The image of these files, by their paths in it."""
    image: Any = pycdlib.PyCdlib()
    image.new(interchange_level=3, vol_ident=label, joliet=3, rock_ridge="1.09")
    folders: dict[str, str] = {"": ""}
    for number, (path, content) in enumerate(sorted(files.items())):
        folder, _, name = path.rpartition("/")
        for inner in _folders(folder):
            if inner not in folders:
                above, _, called = inner.rpartition("/")
                folders[inner] = f"{folders[above]}/D{len(folders)}"
                image.add_directory(folders[inner], rr_name=called, joliet_path=f"/{inner}")
        # A guest reads the Rock Ridge or the Joliet name. ESXi knows neither: a name ISO 9660 has words for is itself.
        bare = name if _PLAIN.fullmatch(name) else f"F{number}."
        place = f"{folders[folder]}/{bare};1"
        image.add_fp(BytesIO(content), len(content), place, rr_name=name, joliet_path=f"/{path}")
    out = BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()


def _folders(path: str) -> list[str]:
    """The folder and all above it, from the outermost on."""
    parts = path.split("/") if path else []
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
