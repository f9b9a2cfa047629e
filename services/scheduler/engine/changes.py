# SPDX-License-Identifier: Apache-2.0
"""A log of row numbers that forgets what is old: who reads it late starts anew."""

import numpy as np
from numpy.typing import NDArray

KEPT = 1 << 14  # entries; a power of two, so that a position in the ring is a mask away
MASK = KEPT - 1


class Changes:
    """Entries are numbered from 0; `count` is the number of the next one."""

    def __init__(self) -> None:
        self.ring: NDArray[np.int64] = np.zeros(KEPT, np.int64)
        self.count = 0

    def add(self, row: int) -> None:
        """Note that this row changed."""
        self.ring[self.count & MASK] = row
        self.count += 1

    def since(self, number: int) -> NDArray[np.int64] | None:
        """The rows noted from that number on, each once; None where some of it is forgotten."""
        if self.count - number > KEPT:
            return None
        return np.unique(self.ring[np.arange(number, self.count) & MASK])
