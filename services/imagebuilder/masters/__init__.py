# SPDX-License-Identifier: Apache-2.0
"""Masters: what is made once per recipe (or imported once) and shared by every vm's image, kept by sha256."""

from services.imagebuilder.masters.ensure import ensure_master
from services.imagebuilder.masters.store import Master, MasterFile, MasterStore

__all__ = ["Master", "MasterFile", "MasterStore", "ensure_master"]
