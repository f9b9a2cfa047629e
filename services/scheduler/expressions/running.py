# SPDX-License-Identifier: Apache-2.0
"""Runs a condition for one host, and for rows of a table: the same answer, to the last bit.

Numbers are floats. What isn't known is NaN, and so is what is divided by 0: no comparison with it holds but `!=`.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from services.common.contracts.placement import HostView, Request
from services.scheduler.expressions.tree import Call, Literal, Node, Word, words_of
from services.scheduler.expressions.words import LABELS, Kind

if TYPE_CHECKING:
    from services.scheduler.engine.table import HostTable, Ints

Plain = Callable[[Request, HostView | None], Any]
OnRows = Callable[[Request, "HostTable", "Ints"], Any]


def for_host(node: Node) -> Plain:
    """The condition as a function of one host; what names no host may be asked without one."""
    if isinstance(node, Literal):
        value = node.value
        return lambda request, host: value
    if isinstance(node, Word):
        return _word(node)
    assert isinstance(node, Call)
    run, args = _PLAIN[node.op], [for_host(arg) for arg in node.args]
    return lambda request, host: run(*(arg(request, host) for arg in args))


def for_rows(node: Node) -> OnRows:
    """The condition as a function of rows; one value where it names nothing of hosts."""
    if not any(of == "host" for of, _ in words_of(node)):
        plain = for_host(node)
        return lambda request, table, rows: plain(request, None)
    if isinstance(node, Word):
        return _column(node)
    assert isinstance(node, Call)
    args = [for_rows(arg) for arg in node.args]
    kinds = [arg.kind for arg in node.args]
    if node.op == "in" and kinds[1] is Kind.HOST_TEXTS:
        return _among_texts(node, args[0])
    if Kind.TEXT in kinds:
        args = [_coded(arg) for arg in args]
    run = _ROWS[node.op]
    return lambda request, table, rows: run(*(arg(request, table, rows) for arg in args))


def _word(word: Word) -> Plain:
    name = word.name
    if word.of == LABELS:
        return lambda request, host: request.labels.get(name, "")
    if word.of == "vm":
        take: Plain = lambda request, host: getattr(request, name)  # noqa: E731
    else:
        take = lambda request, host: getattr(host, name)  # noqa: E731
    return _as_float(take) if word.kind is Kind.NUMBER else take


def _as_float(take: Plain) -> Plain:
    def number(request: Request, host: HostView | None) -> float:
        value = take(request, host)
        return nan if value is None else float(value)

    return number


def _column(word: Word) -> OnRows:
    name = word.name
    if word.kind is Kind.NUMBER:
        return lambda request, table, rows: getattr(table, name)[rows].astype(np.float64)
    return lambda request, table, rows: getattr(table, name)[rows]


def _among_texts(node: Call, text: OnRows) -> OnRows:
    listed = node.args[1]
    name = listed.name if isinstance(listed, Word) else ""
    return lambda request, table, rows: table.having(name, text(request, table, rows))[rows]


def _coded(arg: OnRows) -> OnRows:
    """Texts as the codes that stand for them in columns."""

    def coded(request: Request, table: "HostTable", rows: "Ints") -> Any:
        value = arg(request, table, rows)
        if isinstance(value, tuple):
            return tuple(table.code(word) for word in value)
        return table.code(value) if isinstance(value, str) else value

    return coded


def _divided(a: float, b: float) -> float:
    return nan if b == 0 else a / b


def _divided_rows(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(np.equal(b, 0), np.nan, np.true_divide(a, b))


def _least(*values: float) -> float:
    return nan if any(isnan(v) for v in values) else min(values)


def _greatest(*values: float) -> float:
    return nan if any(isnan(v) for v in values) else max(values)


def _quietly(run: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def quiet(a: Any, b: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return run(a, b)

    return quiet


_PLAIN: Mapping[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "in": lambda a, b: a in b,
    "and": lambda *parts: all(parts),
    "or": lambda *parts: any(parts),
    "not": lambda a: not a,
    "min": _least,
    "max": _greatest,
    "abs": abs,
    "starts": lambda text, beginning: text.startswith(beginning),
}
_ROWS: Mapping[str, Callable[..., Any]] = {
    "+": _quietly(np.add),
    "-": _quietly(np.subtract),
    "*": _quietly(np.multiply),
    "/": _divided_rows,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "in": np.isin,
    "and": lambda *parts: reduce(np.logical_and, parts),
    "or": lambda *parts: reduce(np.logical_or, parts),
    "not": np.logical_not,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
    "abs": np.abs,
}
