# SPDX-License-Identifier: Apache-2.0
"""Whether every row of the catalogue can be built here: its dialects, its recipe and its templates are known."""

from services.common.catalog import CatalogError, systems, template
from services.imagebuilder.dialects import DIALECTS
from services.imagebuilder.documents import syntax_problem
from services.imagebuilder.masters.ensure import RECIPES
from services.imagebuilder.sources import MEDIA


def check_catalogue() -> None:
    """Return quietly, or raise CatalogError with every problem."""
    problems = []
    for entry in systems().values():
        at = f"{entry.family}/os.yaml: systems.{entry.name}"
        if entry.source != MEDIA and entry.source not in RECIPES:
            problems.append(f"{at}.source: no recipe {entry.source!r}; known are media, {', '.join(sorted(RECIPES))}")
        problems += [
            f"{at}.{key}.{name}: no dialect {dialect!r}; known are {', '.join(sorted(DIALECTS))}"
            for key, named in (("network", entry.network), ("fragments", entry.fragments))
            for name, dialect in named.items()
            if dialect not in DIALECTS
        ]
        for name in (*entry.seed.values(), *entry.payloads.values()):
            if problem := syntax_problem(name, template(entry.family, name)):
                problems.append(f"{entry.family}/{name}: {problem}")
    if problems:
        raise CatalogError("the catalogue is not usable: " + "; ".join(problems))
