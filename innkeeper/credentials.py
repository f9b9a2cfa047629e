# SPDX-License-Identifier: Apache-2.0
"""The tokens of one client: the access token in use, and its one renewal after a 401."""

import threading
from collections.abc import Callable
from dataclasses import replace

from innkeeper.models.account import Tokens

Exchange = Callable[[str], Tokens]  # a refresh token for a new pair, at the server
# Given the tokens that ran out: newer ones, from the server or from another process that was faster.
Renewal = Callable[[Tokens, Exchange], Tokens]


def exchanged(old: Tokens, exchange: Exchange) -> Tokens:
    """New tokens from the server; one that gives no new refresh token lets the old one live on."""
    new = exchange(old.refresh_token)
    return new if new.refresh_token else replace(new, refresh_token=old.refresh_token)


class Credentials:
    """Thread-safe. A refresh token may be good for one use only, so of many threads one renews."""

    def __init__(self, tokens: Tokens | None = None, renewal: Renewal = exchanged):
        self._tokens = tokens
        self._renewal = renewal
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "Credentials(***)"

    @property
    def access(self) -> str:
        """The access token, or "" when signed out."""
        return self._tokens.access_token if self._tokens else ""

    @property
    def refresh(self) -> str:
        """The refresh token, or ""."""
        return self._tokens.refresh_token if self._tokens else ""

    def use(self, tokens: Tokens | None) -> None:
        """Use these from now on; None signs out."""
        self._tokens = tokens

    def renew(self, refused: str, exchange: Exchange) -> bool:
        """Whether another access token than the `refused` one is now in use."""
        with self._lock:
            if self._tokens and self.access == refused and self.refresh:
                self._tokens = self._renewal(self._tokens, exchange)
            return bool(self.access) and self.access != refused
