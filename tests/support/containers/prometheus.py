# SPDX-License-Identifier: Apache-2.0
"""A Prometheus that runs, asked by its HTTP API."""

from collections.abc import Iterable
from typing import Any

import httpx

_ENDS = ("_total", "_bucket", "_sum", "_count")


class Prometheus:
    """At a port of this machine."""

    def __init__(self, port: int):
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30, trust_env=False)

    def ask(self, path: str, **words: str) -> Any:
        """The data of an answer; an AssertionError with what it refused, and why."""
        answer = self._http.get(path, params=words).json()
        assert answer["status"] == "success", f"{words}: {answer['error']}"
        return answer["data"]

    def mistake(self, expression: str) -> str:
        """What is wrong with an expression now, over the series there are; "" where nothing is."""
        answer = self._http.get("/query", params={"query": expression}).json()
        return "" if answer["status"] == "success" else str(answer["error"])

    def value(self, expression: str) -> float:
        """The first value of an expression; 0 where it has none."""
        found = self.ask("/query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else 0.0

    def told(self) -> dict[str, frozenset[str]]:
        """Every series there is of ours, with its labels."""
        found: dict[str, frozenset[str]] = {}
        for series in self.ask("/series", **{"match[]": '{__name__=~"innkeeper_.+"}'}):
            name = series.pop("__name__")
            found[name] = found.get(name, frozenset()) | frozenset(series)
        return found

    def untold(self, names: Iterable[str]) -> set[str]:
        """Those series which no target knows of, not even as one that nothing has happened to yet."""
        known = set(self.ask("/metadata"))
        families = {name: {name, *(name.removesuffix(end) for end in _ENDS)} for name in names}
        return {name for name, family in families.items() if not family & known}

    def close(self) -> None:
        """Speak no more."""
        self._http.close()
