# SPDX-License-Identifier: Apache-2.0
"""Judging PromQL: by promtool whether it is some, and by the code whether what it asks for is there."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import yaml

from tests.support.missing import missing

ROOT = Path(__file__).resolve().parents[2]
# Labels Prometheus itself puts on everything.
EVERYWHERE = frozenset({"instance", "job"})
_KINDS = {"Counter": ("",), "Gauge": ("",), "GaugeMetricFamily": ("",), "Histogram": ("_bucket", "_sum", "_count")}
_STRING = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"\b(innkeeper_\w+)(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


def promtool(*words: str) -> str:
    """What promtool says; fails with it where it finds fault."""
    program = shutil.which("promtool") or missing("promtool; it comes with the Debian package prometheus")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def parses(expressions: Iterable[str], scratch: Path) -> None:
    """Fails where one of these is no PromQL: each is put into a rule, and promtool reads them all."""
    rules = [{"record": f"expression:{n}", "expr": text} for n, text in enumerate(expressions)]
    file = scratch / "expressions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": rules}]}))
    promtool("check", "rules", str(file))


@cache
def series() -> Mapping[str, frozenset[str]]:
    """Every series the services tell, with its labels, as their sources say."""
    found: dict[str, frozenset[str]] = {}
    for path in (ROOT / "services").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _KINDS:
                found.update(_told(call.func.id, call))
    return found


def _told(kind: str, call: ast.Call) -> Mapping[str, frozenset[str]]:
    name = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
    if not isinstance(name, str) or not name.startswith("innkeeper_"):
        return {}
    given = [*call.args[2:3], *(word.value for word in call.keywords if word.arg in ("labelnames", "labels"))]
    labels = frozenset(ast.literal_eval(given[0])) if given else frozenset()
    return {name + end: labels | ({"le"} if end == "_bucket" else set()) for end in _KINDS[kind]}


def unknown(expression: str, told: Mapping[str, frozenset[str]]) -> set[str]:
    """The series and labels of an expression that no service tells."""
    bare = _STRING.sub('""', expression)
    used = {name: re.findall(r"(\w+)\s*(?:=|!)", inside) for name, inside in _SELECTOR.findall(bare)}
    known = EVERYWHERE.union(*(told.get(name, frozenset()) for name in used))
    wrong = {name for name in used if name not in told}
    wrong |= {
        f"{n}{{{label}}}"
        for n, labels in used.items()
        for label in labels
        if label not in told.get(n, known) | EVERYWHERE
    }
    grouped = {label.strip() for group in _GROUPED.findall(bare) for label in group.split(",") if label.strip()}
    return wrong | {f"({label})" for label in grouped - known}
