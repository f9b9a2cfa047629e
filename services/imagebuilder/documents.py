# SPDX-License-Identifier: Apache-2.0
"""Text files for guests in which a value can never be anything but a value.

YAML is written by a dumper. In a template every `{{ value }}` comes out as a YAML flow value made by the same dumper:
an author can't forget to quote, and an unknown variable is an error.
"""

from functools import lru_cache
from typing import Any

import jinja2
import yaml

from services.common.catalog import template

# LibYAML's dumper where the wheel has it: ten times as fast.
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_document(value: Any) -> bytes:
    """A YAML file of plain values, keys in the order given."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=4096)
    return text.encode("ascii")


def flow(value: Any) -> str:
    """One value on one line, as YAML reads it back."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=False, default_flow_style=True, width=1 << 30
    )
    return text.removesuffix("\n").removesuffix("\n...")


_ENVIRONMENT = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    finalize=flow,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@lru_cache
def _compiled(family: str, name: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(template(family, name))


def render(family: str, name: str, values: dict[str, Any]) -> bytes:
    """A family's template filled in; jinja2.UndefinedError when it asks for what is not there."""
    return _compiled(family, name).render(values).encode()


def syntax_problem(text: str) -> str:
    """What is wrong with a template's syntax; "" when nothing is."""
    try:
        _ENVIRONMENT.parse(text)
    except jinja2.TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    return ""
