# SPDX-License-Identifier: Apache-2.0
"""Reads how busy vms of PlanetLab were: one file a day, a vm a row, percent every five minutes."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from services.common.contracts.errors import Invalid, Problem
from services.scheduler.engine.table import Floats


def read_planetlab(path: Path) -> Floats:
    """Rows x samples, the share of its processors each vm used. Invalid where the file isn't such a day."""
    try:
        with np.load(path, allow_pickle=False) as day:
            percent = np.asarray(day["util"], np.float64)
    except (BadZipFile, KeyError, ValueError) as error:
        raise _refused(path, str(error)) from error
    if percent.ndim != 2 or not percent.size or percent.min() < 0 or percent.max() > 100:
        raise _refused(path, "'util' isn't a table of percentages from 0 to 100")
    share: Floats = percent / 100
    return share


def _refused(path: Path, why: str) -> Invalid:
    detail = f"{path.name} is no day of PlanetLab: {why}"
    return Invalid(detail, [Problem("/util", detail, "give a npz file with util[vm, sample] in percent")])
