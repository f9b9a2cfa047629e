# SPDX-License-Identifier: Apache-2.0
"""Expressions that several dashboards ask."""

RATE = "$__rate_interval"


def quantile(q: float, histogram: str, by: str) -> str:
    """A quantile of a histogram, a line for each value of the label."""
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({histogram}_bucket[{RATE}])))"


def heat(selector: str) -> str:
    """How many fell into each bucket; `selector` is that of the `_bucket` series."""
    return f"sum by (le) (increase({selector}[{RATE}]))"


def rates(counter: str, by: str) -> str:
    """How many a second, a line for each value of the labels."""
    return f"sum by ({by}) (rate({counter}[{RATE}]))"
