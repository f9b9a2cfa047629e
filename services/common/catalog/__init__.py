# SPDX-License-Identifier: Apache-2.0
"""The catalogue: operating systems as data. A new one is a folder in families/ with os.yaml and templates."""

from services.common.catalog.entries import Delivery, OsEntry, unsupported_problems
from services.common.catalog.loading import CatalogError, load_catalogue, systems, template
from services.common.catalog.refusals import refused_problems

__all__ = [
    "CatalogError",
    "Delivery",
    "OsEntry",
    "load_catalogue",
    "refused_problems",
    "systems",
    "template",
    "unsupported_problems",
]
