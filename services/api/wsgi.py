# SPDX-License-Identifier: Apache-2.0
"""What gunicorn runs: the application of this process's environment."""

from services.api.app import create_app
from services.common.assembly import open_database
from services.common.runtime import log, tracing
from services.common.runtime.feed import Feed
from services.common.runtime.settings import Settings

settings = Settings.from_env()
log.setup("api", settings.log_level)
tracing.start("api")
feed = Feed(settings.redis_url)
app = create_app(settings, open_database(settings, feed, pool_size=16, rings=False), feed=feed)
