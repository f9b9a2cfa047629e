# SPDX-License-Identifier: Apache-2.0
"""Redis pub/sub: news for whoever listens right now. Nothing depends on it arriving; the tables are the truth."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from services.common.runtime.log import get_logger

log = get_logger(__name__)
GONE = (redis.RedisError, OSError)


class Subscription:
    """News of some channels. `get` never raises because Redis is away; it says nothing until it is back."""

    def __init__(self, client: "redis.Redis", channels: Iterable[str]):
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._channels = tuple(channels)
        self._subscribed = False
        self._subscribe()

    def _subscribe(self) -> None:
        try:
            self._pubsub.subscribe(*self._channels)
            self._subscribed = True
        except GONE as error:
            self._subscribed = False
            log.warning("redis is away; reading the tables instead", reason=str(error))

    @property
    def hears(self) -> bool:
        """Whether Redis was there at the last look."""
        return self._subscribed

    def get(self, timeout: float) -> dict[str, Any] | None:
        """The next message as a dict, or None after `timeout` seconds (or at once where Redis just went away)."""
        if not self._subscribed:
            self._subscribe()
        try:
            message = self._pubsub.get_message(timeout=timeout)
        except GONE:
            self._subscribed = False
            return None
        if not message or message.get("type") != "message":
            return None
        found: dict[str, Any] = json.loads(message["data"])
        return found

    def close(self) -> None:
        """Let the connection go."""
        try:
            self._pubsub.close()
        except GONE as error:
            log.debug("closing a subscription", reason=str(error))


class Feed:
    """Publishes and subscribes."""

    def __init__(self, redis_url: str):
        self._client = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=2)

    def publish(self, channel: str, message: dict[str, Any]) -> None:
        """Tell whoever listens; where Redis is away the message is lost, as pub/sub may."""
        self.publish_all([(channel, message)])

    def publish_all(self, messages: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Tell several things in one round trip."""
        pipe = self._client.pipeline(transaction=False)
        told: dict[str, Any] | None = None
        for channel, message in messages:
            if message is not told:  # the same for several channels is made into text once
                told, text = message, json.dumps(message, default=str)
            pipe.publish(channel, text)
        try:
            pipe.execute()
        except GONE as error:
            log.warning("redis is away; news not told", reason=str(error))

    @contextmanager
    def listen(self, channels: Iterable[str]) -> Iterator[Subscription]:
        """Subscribe for the length of the block."""
        subscription = Subscription(self._client, channels)
        try:
            yield subscription
        finally:
            subscription.close()

    def ping(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self._client.ping())
        except GONE:
            return False
