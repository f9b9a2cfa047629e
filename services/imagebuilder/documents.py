# SPDX-License-Identifier: Apache-2.0
"""Text files for guests in which a value can never be anything but a value.

Every `{{ value }}` of a template comes out as its file's syntax writes a value (syntaxes.py): an author can't forget
to quote, an unknown variable is an error, and a template can reach nothing but what it was given.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.common.catalog import template
from services.common.contracts.errors import Invalid, Problem
from services.common.contracts.quoting import quoted
from services.imagebuilder.syntaxes import SYNTAXES, Dumper, Raw, Unsayable, bare, syntax_of


def yaml_document(value: Any) -> bytes:
    """A YAML file of plain values, keys in the order given."""
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=False, width=4096)
    return text.encode("ascii")


def _finalizer(write: Callable[[Any], str]) -> Callable[[Any], str]:
    def finalize(value: Any) -> str:
        return value if isinstance(value, Raw) else write(value)

    return finalize


def _base64(text: str) -> str:
    try:
        return b64encode(text.encode()).decode()
    except UnicodeEncodeError as error:
        raise Unsayable(f"{quoted(text)} has half a character") from error


@lru_cache
def _environment(syntax: str) -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        finalize=_finalizer(SYNTAXES[syntax]),
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = _base64
    environment.filters["bare"] = bare
    return environment


@cache
def _compiled(family: str, name: str) -> jinja2.Template:
    return _environment(syntax_of(name)).from_string(template(family, name))


def render(family: str, name: str, values: dict[str, Any]) -> bytes:
    """A family's template filled in; Invalid where its syntax can't hold a value.

    jinja2.UndefinedError when it asks for what is not there.
    """
    try:
        return _compiled(family, name).render(values).encode()
    except (Unsayable, UnicodeEncodeError) as error:
        reason = str(error) if isinstance(error, Unsayable) else "there is half a character in a text"
        fix = "use plain text without control characters"
        raise Invalid(f"{name.removesuffix('.j2')} can't be written", [Problem("", reason, fix)]) from error


def syntax_problem(name: str, text: str) -> str:
    """What is wrong with a template's syntax; "" when nothing is."""
    try:
        _environment(syntax_of(name)).parse(text)
    except jinja2.TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    return ""
