# SPDX-License-Identifier: Apache-2.0
"""The chart's README: what it is, and a table of every value."""

import json
from collections.abc import Sequence
from itertools import groupby

from deploy.k8s.values import Value

_HEAD = """# Innkeeper's Helm chart

One HTTP request, one virtual machine, on any mix of hypervisors. From nothing to a vm, on kind, on k3s and on a managed
cluster: [docs/kubernetes.md](../../docs/kubernetes.md).

```
helm install innkeeper charts/innkeeper -n innkeeper --create-namespace --set demo.enabled=true   # to try it out
helm test innkeeper -n innkeeper
```

This page and `values.schema.json` are written from `values.yaml`: `python -m deploy.k8s`.
"""


def chart_readme(values: Sequence[Value]) -> str:
    """The whole page."""
    parts = [_HEAD]
    for section, members in groupby(values, lambda value: value.path[0] if len(value.path) > 1 else "names"):
        rows = "\n".join(_row(value) for value in members)
        parts.append(f"## {section}\n\n| value | default | meaning |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _row(value: Value) -> str:
    default = json.dumps(value.default, ensure_ascii=False) if value.default not in ("", {}, []) else ""
    kind = f" ({value.kind.replace('|', ', ')})" if value.kind.startswith(("one of", "from")) else ""
    shown = f"`{default}`" if default else ""
    return f"| `{'.'.join(value.path)}` | {shown} | {value.text}{kind} |"
