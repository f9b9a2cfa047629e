# SPDX-License-Identifier: Apache-2.0
"""The settings of every control-plane service, read once from the environment and checked whole."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """What is missing or wrong, all of it in one message."""


@dataclass(frozen=True)
class Settings:
    """Where things are. URLs of the broker, Redis and the database may hold passwords: never log them."""

    database_url: str
    broker_url: str
    broker_admin_url: str
    redis_url: str
    keys_dir: Path
    state_dir: Path
    api_url: str
    guest_url: str  # where guests without a port report to; "" nowhere
    images_bind: str
    images_url: str
    metrics_port: int
    log_level: str
    policy_file: Path | None
    controllers_file: Path | None
    lease_s: float
    grace_s: float
    orphan_grace_s: float
    host_timeout_s: float
    answer_s: float
    heartbeat_file: Path | None  # touched while the process lives

    def __repr__(self) -> str:
        return f"Settings(keys_dir={self.keys_dir}, state_dir={self.state_dir}, api_url={self.api_url})"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Settings from INNKEEPER_* variables; raises SettingsError naming every problem at once."""
        return _Reader(os.environ if env is None else env).settings()


def settings_or_exit() -> Settings:
    """The settings of this process; where they are wrong, one message on stderr and exit code 2."""
    try:
        return Settings.from_env()
    except SettingsError as error:
        sys.stderr.write(f"settings: {error}\n")
        sys.exit(2)


class _Reader:
    def __init__(self, env: Mapping[str, str]):
        self.env = env
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self.env.get(f"INNKEEPER_{name}", default)
        if not value:
            if value is None:
                self.problems.append(f"INNKEEPER_{name} is not set")
            return ""
        return value

    def number(self, name: str, default: str) -> float:
        value = self.text(name, default)
        try:
            return float(value)
        except ValueError:
            self.problems.append(f"INNKEEPER_{name} is {value!r}, not a number")
            return 0.0

    def secure_url(self, name: str) -> str:
        """Empty, or an https:// URL without a slash at its end: what goes there carries a token."""
        value = self.text(name, "").rstrip("/")
        if value and not value.startswith("https://"):
            self.problems.append(f"INNKEEPER_{name} is no https:// URL, and guests send their tokens there")
        return value

    def settings(self) -> Settings:
        policy, controllers = self.text("POLICY_FILE", ""), self.text("CONTROLLERS_FILE", "")
        heartbeat = self.text("HEARTBEAT_FILE", "")
        found = Settings(
            database_url=self.text("DATABASE_URL"),
            broker_url=self.text("BROKER_URL"),
            broker_admin_url=self.text("BROKER_ADMIN_URL", ""),
            redis_url=self.text("REDIS_URL"),
            keys_dir=Path(self.text("KEYS_DIR")),
            state_dir=Path(self.text("STATE_DIR")),
            guest_url=self.secure_url("GUEST_URL"),
            api_url=self.text("API_URL", "http://127.0.0.1:8080"),
            images_bind=self.text("IMAGES_BIND", "127.0.0.1:8081"),
            images_url=self.text("IMAGES_URL", "http://127.0.0.1:8081"),
            metrics_port=int(self.number("METRICS_PORT", "0")),
            log_level=self.text("LOG_LEVEL", "info"),
            policy_file=Path(policy) if policy else None,
            controllers_file=Path(controllers) if controllers else None,
            lease_s=self.number("LEASE_S", "8"),
            grace_s=self.number("GRACE_S", "25"),
            orphan_grace_s=self.number("ORPHAN_GRACE_S", "60"),
            host_timeout_s=self.number("HOST_TIMEOUT_S", "20"),
            answer_s=self.number("ANSWER_S", "5"),
            heartbeat_file=Path(heartbeat) if heartbeat else None,
        )
        if self.problems:
            raise SettingsError("; ".join(self.problems))
        return found
