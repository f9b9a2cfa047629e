# SPDX-License-Identifier: Apache-2.0
"""How a process lives: settings, keys, log, metrics, the bus, the feed, and the step engine."""
