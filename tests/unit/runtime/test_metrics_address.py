# SPDX-License-Identifier: Apache-2.0
"""Where /metrics is served."""

from typing import Any

import pytest

from services.common.runtime import metrics


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    seen: list[tuple[int, str]] = []

    def listen(port: int, addr: str) -> Any:
        seen.append((port, addr))

    monkeypatch.setattr(metrics, "start_http_server", listen)
    return seen


@pytest.mark.parametrize(("given", "address"), [("", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::", "::")])
def test_metrics_are_served_on_loopback_unless_told(
    given: str, address: str, asked: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNKEEPER_METRICS_ADDRESS", given)
    metrics.serve(9090)
    assert asked == [(9090, address)]


def test_a_name_is_refused_with_what_to_give_instead(
    asked: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INNKEEPER_METRICS_ADDRESS", "every")
    with pytest.raises(SystemExit, match="no IP address"):
        metrics.serve(9090)
    assert asked == []
