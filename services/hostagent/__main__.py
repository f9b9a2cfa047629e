# SPDX-License-Identifier: Apache-2.0
"""`python -m services.hostagent`: the agent of one host, configured by the file INNKEEPER_AGENT_CONFIG names."""

import os
import sys
from pathlib import Path

from services.common.contracts.errors import InnkeeperError
from services.common.runtime import heartbeat, log, metrics, tracing
from services.common.runtime.ending import ending
from services.hostagent.agent import run
from services.hostagent.config import ConfigError, read_config


def main() -> int:
    """Serve until SIGTERM or SIGINT; 2 for a wrong configuration, 1 when the hypervisor can't be used."""
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    log.setup("hostagent")
    tracing.start("hostagent")
    stopping = ending()
    metrics.serve(config.metrics_port)
    alive = os.environ.get("INNKEEPER_HEARTBEAT_FILE")
    heartbeat.start(Path(alive) if alive else None)
    try:
        with log.bind(host=config.host_id):
            run(config, stopping)
    except InnkeeperError as error:
        print(f"the {config.driver} driver can't be used: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
