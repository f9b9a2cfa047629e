# SPDX-License-Identifier: Apache-2.0
"""Settings are checked whole, and what is wrong is named."""

import pytest

from services.common.runtime.settings import Settings, SettingsError

LEAST = {
    "INNKEEPER_DATABASE_URL": "sqlite:////x.db",
    "INNKEEPER_BROKER_URL": "amqp://x//",
    "INNKEEPER_REDIS_URL": "redis://x",
    "INNKEEPER_KEYS_DIR": "/keys",
    "INNKEEPER_STATE_DIR": "/state",
}


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({})
    assert all(name in str(error.value) for name in LEAST)


def test_guests_send_their_tokens_over_tls_only() -> None:
    with pytest.raises(SettingsError, match="INNKEEPER_GUEST_URL is no https"):
        Settings.from_env({**LEAST, "INNKEEPER_GUEST_URL": "http://inn.example.org"})
    assert Settings.from_env({**LEAST, "INNKEEPER_GUEST_URL": "https://inn.example.org/"}).guest_url[-1] == "g"
    assert Settings.from_env(LEAST).guest_url == ""
