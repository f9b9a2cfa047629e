# SPDX-License-Identifier: Apache-2.0
"""A small CD-ROM image in memory: ISO 9660 with Rock Ridge and Joliet. The same files give the same bytes."""

import time
from collections.abc import Mapping
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pycdlib
from pycdlib import dates, headervd, utils
from pycdlib import pycdlib as writer

LABEL = "CIDATA"


# 1980-01-01 in UTC: no format's calendar begins later.
_MOMENT = 315532800.0
_standing_clock = SimpleNamespace(
    **{**vars(time), "time": lambda: _MOMENT, "localtime": time.gmtime},
)
# pycdlib stamps every record with the present and takes no other time. Its modules get this clock, nobody else.
for _module in (dates, headervd, writer, utils):
    _module.time = _standing_clock


def iso_image(files: Mapping[str, bytes], label: str = LABEL) -> bytes:
    """The image of these files; paths are relative, with at most one level of folders."""
    image: Any = pycdlib.PyCdlib()
    image.new(interchange_level=3, vol_ident=label, joliet=3, rock_ridge="1.09")
    folders: dict[str, str] = {"": ""}
    for number, (path, content) in enumerate(sorted(files.items())):
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = f"/D{number}"
            image.add_directory(folders[folder], rr_name=folder, joliet_path=f"/{folder}")
        # The bare ISO names are numbers: what a guest reads is the Rock Ridge or the Joliet name.
        place = f"{folders[folder]}/F{number}.;1"
        image.add_fp(BytesIO(content), len(content), place, rr_name=name, joliet_path=f"/{path}")
    out = BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()
