# SPDX-License-Identifier: Apache-2.0
"""`python -m services.hostagent`: the agent of one host, configured by the file INNKEEPER_AGENT_CONFIG names."""

import os
import sys

from services.common.contracts.errors import InnkeeperError
from services.common.runtime import log, metrics
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
    stopping = ending()
    metrics.serve(config.metrics_port)
    try:
        with log.bind(host=config.host_id):
            run(config, stopping)
    except InnkeeperError as error:
        print(f"the {config.driver} driver can't be used: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
