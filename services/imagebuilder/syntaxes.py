# SPDX-License-Identifier: Apache-2.0
"""How a value is written in each syntax of answer files, so that it can never be anything but a value.

A value that a syntax can't hold raises Unsayable; nothing is cut off or replaced. Free text (scripts, keys' comments,
certificates) goes through base64 wherever a template lets it in.
"""

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import yaml

from services.common.contracts.quoting import quoted

# LibYAML's dumper where the wheel has it: ten times as fast.
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
# What XML 1.0 can't hold, and what ends a line for any reader.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")

_BARE = re.compile(r"[A-Za-z0-9+/][A-Za-z0-9+./=:~_-]*")


class Unsayable(ValueError):
    """A value that a syntax has no way to write."""


class Raw(str):
    """A part that is written in the file's own syntax already: it goes in as it is."""

    __slots__ = ()


def yaml_flow(value: Any) -> str:
    """One value on one line, as YAML reads it back."""
    try:
        text: str = yaml.dump(
            value, Dumper=Dumper, sort_keys=False, allow_unicode=False, default_flow_style=True, width=1 << 30
        )
    except UnicodeEncodeError as error:
        raise Unsayable("there is half a character in a text") from error
    return text.removesuffix("\n").removesuffix("\n...")


def json_value(value: Any) -> str:
    """A JSON value, ASCII only."""
    return json.dumps(value, ensure_ascii=True, separators=(", ", ": "))


def xml_text(value: Any) -> str:
    """Text between tags or in an attribute; true and false as XML Schema spells them."""
    text = _plain(value)
    if _CONTROL.search(text.replace("\n", "").replace("\t", "")):
        raise Unsayable(f"{quoted(text)} has a character that XML can't hold")
    return escape(text, quote=True)


def shell_word(value: Any) -> str:
    """One word of a POSIX shell, always in quotes."""
    text = _plain(value)
    if "\x00" in text:
        raise Unsayable(f"{quoted(text)} has a NUL")
    return "'" + text.replace("'", "'\"'\"'") + "'"


def kickstart_word(value: Any) -> str:
    """One word of a kickstart line: in double quotes, as Python's shlex reads it."""
    text = _line(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def bare(value: Any) -> Raw:
    """A word where quotes would be a part of it (a line of %packages, base64); every syntax here reads it as it is."""
    text = _plain(value)
    if not _BARE.fullmatch(text):
        raise Unsayable(f"{quoted(text)} has more than letters, digits and + . / = : ~ _ -")
    return Raw(text)


def preseed_value(value: Any) -> str:
    """The rest of a preseed line; debconf trims its ends and takes a backslash at the end as a continuation."""
    text = _line(value)
    if text != text.strip() or text.endswith("\\"):
        raise Unsayable(f"{quoted(text)} begins or ends with what debconf drops")
    return text


def _line(value: Any) -> str:
    text = _plain(value)
    if _CONTROL.search(text):
        raise Unsayable(f"{quoted(text)} does not fit on one line")
    return text


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"a template writes a whole {type(value).__name__}; it must say how")


# By the part of a template's name before .j2 (user-data.j2 has none: YAML).
SYNTAXES: Mapping[str, Callable[[Any], str]] = {
    "yaml": yaml_flow,
    "json": json_value,
    "ign": json_value,
    "xml": xml_text,
    "sh": shell_word,
    "ks": kickstart_word,
    "preseed": preseed_value,
}


def syntax_of(template: str) -> str:
    """The syntax of a template by its name; `ks.cfg.ks.j2` is written as kickstart."""
    parts = template.removesuffix(".j2").rsplit(".", 1)
    return parts[1] if len(parts) == 2 and parts[1] in SYNTAXES else "yaml"
