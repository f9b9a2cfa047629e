# SPDX-License-Identifier: Apache-2.0
"""What asks and guards inside a container."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from deploy.images import alive, guarded_flower


class Answers(http.server.BaseHTTPRequestHandler):
    """200 at /good, 503 elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/good" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_service_lives_where_it_answers_and_the_reason_is_said_where_not(
    site: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # never asked
    assert alive.main([f"{site}/good"]) == 0
    assert alive.main([f"{site}/bad"]) == 1
    assert "503" in capsys.readouterr().err
    assert alive.main(["http://127.0.0.1:1/"]) == 1
    assert alive.main(["no address"]) == 1
    assert alive.main([]) == 2


@pytest.mark.parametrize("name", guarded_flower.GUARDS)
def test_flower_is_started_only_where_somebody_asks_who_is_there(name: str) -> None:
    assert "FLOWER_BASIC_AUTH" in guarded_flower.refusal({})
    assert "FLOWER_BASIC_AUTH" in guarded_flower.refusal({name: ""})
    assert guarded_flower.refusal({name: "somebody"}) == ""
