# SPDX-License-Identifier: Apache-2.0
"""Bodies as these clients send them: JSON, or a form from the Python client; null, "" and absent are one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Request
from marshmallow import ValidationError

from services.api.reading import strict_json
from services.common.contracts.errors import Invalid, Malformed, Problem, TooLarge

JsonDict = dict[str, Any]
_FORM = "application/x-www-form-urlencoded"
ASKS_FOR_PACKAGES = frozenset({"dist", "version", "arch"})


def body_of(request: Request) -> JsonDict:
    """The fields of a request; raises Malformed where it is neither JSON nor a form."""
    data = request.get_data(cache=True)
    # A body sent in chunks says no length and is cut off at the limit: what is that long may have been cut.
    if request.content_length is None and len(data) >= (request.max_content_length or len(data) + 1):
        raise TooLarge("the body is larger than 1 MiB")
    if request.mimetype == _FORM:
        found: Any = {name: request.form[name] for name in request.form}
        if any("\x00" in name + str(value) for name, value in found.items()):
            raise Malformed("a field contains the NUL character")
    else:
        found = strict_json(data)
    if not isinstance(found, dict):
        raise Malformed("the body must be a JSON object, or a form")
    return found


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


class Fields:
    """Takes fields out of a body one by one, in the kind that is wanted, and keeps what is wrong with them."""

    def __init__(self, body: Mapping[str, Any], at: str = ""):
        self.problems: list[Problem] = []
        self.at = at  # the pointer of the object they are in
        self._left = {name: value for name, value in body.items() if not _empty(value)}

    def text(self, name: str) -> str:
        """A text; numbers are taken for one, since forms have nothing else. "" where it is absent."""
        value = self._left.pop(name, "")
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        return str(self._of(name, value, str, "a text", ""))

    def flag(self, name: str) -> bool:
        """true or false; false where it is absent."""
        value = self._left.pop(name, False)
        return bool(self._of(name, value, bool, "true or false", False))

    def texts(self, name: str, most: int) -> list[str]:
        """A list of texts, at most so many; one text stands for a list of one. Empty ones are left out."""
        value = self._left.pop(name, [])
        several = [value] if isinstance(value, str) else value
        return [item for item in self._all(name, several, str, "texts", most) if item]

    def objects(self, name: str, most: int) -> list[JsonDict]:
        """A list of objects, at most so many."""
        return self._all(name, self._left.pop(name, []), dict, "objects", most)

    def wrong(self, name: str, detail: str, fix: str) -> None:
        """Keep a problem with a field."""
        self.problems.append(Problem(f"{self.at}/{name}", detail, fix))

    def checked(self, name: str, check: Callable[[str], None], value: str) -> str:
        """`value`, kept as a problem where the check (of services.api.grammar) refuses it."""
        try:
            check(value)
        except ValidationError as error:
            detail, _, fix = str(error.messages[0]).partition(" -> ")
            self.wrong(name, detail, fix)
        return value

    def end(self) -> None:
        """What is left has a value and a name that mean nothing here: better said than dropped."""
        for name in sorted(self._left):
            self.wrong(name, "this is not a field of the request", "leave it out")

    def _all(self, name: str, value: Any, kind: type, what: str, most: int) -> list[Any]:
        found: list[Any] = self._of(name, value, list, f"a list of {what}", [])
        if len(found) > most:
            self.wrong(name, f"more than {most}", f"keep at most {most}")
            return []
        if not all(isinstance(item, kind) for item in found):
            self.wrong(name, f"not a list of {what}", f"let each be one of the {what}")
            return []
        return found

    def _of(self, name: str, value: Any, kind: type, what: str, otherwise: Any) -> Any:
        if isinstance(value, kind):
            return value
        self.wrong(name, f"not {what}", f"give {what}")
        return otherwise


def refuse(problems: Sequence[Problem]) -> None:
    """Raise Invalid where something is wrong."""
    if problems:
        raise Invalid(problems[0].detail, problems)
