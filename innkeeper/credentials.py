# SPDX-License-Identifier: Apache-2.0
"""The tokens of one client: the access token in use, and its one renewal after a 401."""

import threading
from collections.abc import Callable

from innkeeper.models.account import Tokens


class Credentials:
    """Thread-safe; `keep` is told of every new pair, so that a command line can store it."""

    def __init__(self, tokens: Tokens | None = None, keep: Callable[[Tokens], None] | None = None):
        self._tokens = tokens
        self._keep = keep
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

    def replace(self, tokens: Tokens | None) -> None:
        """Use these from now on, and keep them; None signs out."""
        self._tokens = tokens
        if tokens and self._keep:
            self._keep(tokens)

    def renew(self, refused: str, exchange: Callable[[str], Tokens]) -> bool:
        """Whether another token than the `refused` one is now in use. Of many threads, one exchanges."""
        with self._lock:
            if self.access != refused:
                return bool(self.access)
            if not self.refresh:
                return False
            old = self.refresh
            new = exchange(old)
            self.replace(
                Tokens(access_token=new.access_token, refresh_token=new.refresh_token or old, expires_in=new.expires_in)
            )
            return True
