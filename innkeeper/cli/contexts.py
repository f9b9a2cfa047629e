# SPDX-License-Identifier: Apache-2.0
"""Where `inn` remembers servers and tokens: $XDG_CONFIG_HOME/innkeeper/config.json, readable by its owner only.

Several `inn` may run at once and renew tokens, so every change is read, made and written under one lock.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

DEFAULT_URL = "http://127.0.0.1:8080"


class BrokenConfig(Exception):
    """The file is not what `inn` writes."""


@dataclass(frozen=True)
class Context:
    """One server, as one user, in one project."""

    url: str = DEFAULT_URL
    username: str = ""
    project: str = ""
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Config:
    """All contexts, and the one in use."""

    current: str = "default"
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def having(self, name: str, context: Context) -> "Config":
        """This, with one context added or replaced."""
        return replace(self, contexts={**self.contexts, name: context})

    def without(self, name: str) -> "Config":
        """This, without one context."""
        return replace(self, contexts={k: v for k, v in self.contexts.items() if k != name})


def config_path(environ: Mapping[str, str]) -> Path:
    """Where the file is, for this user."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".config")
    return Path(home) / "innkeeper" / "config.json"


def read(path: Path) -> Config:
    """What the file says, an empty one where there is none; raises BrokenConfig."""
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Config()
    except (ValueError, TypeError, AttributeError) as error:
        raise BrokenConfig(f"{path} can't be read: {error}. Repair or remove it, then `inn login` again.") from error


@contextmanager
def changing(path: Path) -> Iterator[list[Config]]:
    """The config in a list of one, to be replaced in place; written, whole or not at all, when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        box = [read(path)]
        yield box
        _write(path, box[0])


def _parse(data: Any) -> Config:
    known = Context.__dataclass_fields__
    contexts = {n: Context(**{k: v for k, v in c.items() if k in known}) for n, c in data["contexts"].items()}
    return Config(str(data.get("current", "default")), contexts)


def _write(path: Path, config: Config) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)  # so that its mode is ours, not a leftover's
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(
            {"current": config.current, "contexts": {n: asdict(c) for n, c in config.contexts.items()}}, file, indent=2
        )
        file.write("\n")
    new.replace(path)
