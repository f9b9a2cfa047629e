# SPDX-License-Identifier: Apache-2.0
"""The steps of the queue `imagebuilder`, as one table."""

from collections.abc import Mapping

from services.common.contracts.journal import Handler
from services.imagebuilder.build import Builder
from services.imagebuilder.importing import Importer


def handlers(builder: Builder, importer: Importer) -> Mapping[str, Handler]:
    """Step name -> what does it."""
    return {
        "build": builder.build,
        "reseed": builder.reseed,
        "discard": builder.discard,
        "import": importer.import_,
        "drop-media": importer.drop,
    }
