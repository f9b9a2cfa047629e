# SPDX-License-Identifier: Apache-2.0
"""The table of dashboards."""

from deploy.grafana.board import Board
from deploy.grafana.boards.api import API
from deploy.grafana.boards.hosts import HOSTS
from deploy.grafana.boards.provisioning import PROVISIONING
from deploy.grafana.boards.queues import QUEUES
from deploy.grafana.boards.steps import STEPS

BOARDS: tuple[Board, ...] = (PROVISIONING, STEPS, QUEUES, HOSTS, API)
