# SPDX-License-Identifier: Apache-2.0
"""`python -m services.api.openapi FILE`: write the contract as the code has it. Needs no server."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from services.api.app import create_app
from services.common.runtime import keys
from services.common.runtime.settings import Settings
from services.common.store.database import Database


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    with tempfile.TemporaryDirectory() as scratch:
        keys.init(Path(scratch))
        names = ("BROKER_URL", "REDIS_URL", "STATE_DIR")
        env = {f"INNKEEPER_{name}": "redis://localhost" for name in names}
        env |= {"INNKEEPER_DATABASE_URL": "sqlite://", "INNKEEPER_KEYS_DIR": scratch}
        env["INNKEEPER_BROKER_ADMIN_URL"] = "http://localhost"
        app = create_app(Settings.from_env(env), Database("sqlite://"))
        found: dict[str, Any] = json.loads(app.test_client().get("/openapi.json").get_data(as_text=True))
        return found


def main() -> int:
    """Write it to the file named, or to standard output."""
    text = json.dumps(document(), indent=1, sort_keys=True) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
