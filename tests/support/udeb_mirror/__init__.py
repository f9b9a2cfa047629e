# SPDX-License-Identifier: Apache-2.0
"""A Debian mirror with installer components (udebs), for machines whose own mirror lacks some of them.

Packages and most components are relayed from the machine's mirror, and kept. Components that it lists but hasn't are
packed from the packages of the same source: the file system's tools, and the kernel's modules. The index is our own
then, so the installer must be told not to ask for Debian's signature on it.
"""

from tests.support.udeb_mirror.making import UNSIGNED, Mirror, made
from tests.support.udeb_mirror.relay import relayed

__all__ = ["UNSIGNED", "Mirror", "made", "relayed"]
