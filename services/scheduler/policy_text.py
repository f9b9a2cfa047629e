# SPDX-License-Identifier: Apache-2.0
"""YAML with positions: a safe subset read into sections that know line and column of everything.

Nothing is constructed from tags. Problems are collected, not raised, so that one reading tells them all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import yaml

from services.common.contracts.errors import Invalid, Problem
from services.scheduler.units import quantity

MAX_BYTES = 64 * 1024
MAX_ALIASES = 16  # nested as cleverly as can be they multiply to a few hundred, no bomb
MAX_DEPTH = 12


class Problems:
    """What is wrong with one text, each with line and column."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._found: list[Problem] = []

    def add(self, node: yaml.Node, pointer: str, detail: str, fix: str, at: int | None = None) -> None:
        """Remember a problem at the node's position; `at` counts characters within its text."""
        mark = node.start_mark
        line, column = (mark.line, mark.column) if at is None else _within(node, at)
        self._found.append(Problem(pointer or "/", f"line {line + 1}, column {column + 1}: {detail}", fix))

    def raise_any(self) -> None:
        """Raise Invalid with all of them in one message, if there are any."""
        if self._found:
            raise refused(self._source, self._found)


def refused(source: str, problems: Sequence[Problem]) -> Invalid:
    """The error for a text with these problems."""
    lines = "".join(f"\n  {p.pointer}: {p.detail} ({p.fix})" for p in problems)
    return Invalid(f"policy {source} has {len(problems)} problem(s):{lines}", problems)


class Section:
    """One mapping of the text. Reading a key marks it as known; `finish` reports every other key."""

    def __init__(self, node: yaml.Node, pointer: str, problems: Problems) -> None:
        self.node = node
        self.pointer = pointer
        self.problems = problems
        self._known: set[str] = set()
        self._values: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        if not isinstance(node, yaml.MappingNode):
            self.problem("", "a mapping is expected here", "write key: value pairs")
            return
        for key, value in node.value:
            self._take(key, value)

    def _take(self, key: yaml.Node, value: yaml.Node) -> None:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not name:
            self.problems.add(key, self.pointer, "a key must be a plain word", "use a word")
        elif name in self._keys:
            self.problems.add(key, f"{self.pointer}/{name}", f"{name!r} is given twice", "keep one of them")
        else:
            self._keys[name], self._values[name] = key, value

    def problem(self, key: str, detail: str, fix: str) -> None:
        """A problem with the value of `key`, or with the section itself."""
        pointer = f"{self.pointer}/{key}" if key else self.pointer
        self.problems.add(self._values.get(key, self.node), pointer, detail, fix)

    def problem_within(self, key: str, at: int, detail: str, fix: str) -> None:
        """A problem with a part of the text under `key`: the character number `at`."""
        self.problems.add(self._values.get(key, self.node), f"{self.pointer}/{key}", detail, fix, at)

    def has(self, key: str) -> bool:
        """Whether the key is given; it counts as known from now on."""
        self._known.add(key)
        return key in self._values

    def names(self) -> tuple[str, ...]:
        """The keys that are given, in their order."""
        return tuple(self._keys)

    def is_list(self, key: str) -> bool:
        """Whether a list is given under the key."""
        return self.has(key) and isinstance(self._values[key], yaml.SequenceNode)

    def peek(self, key: str) -> "Section":
        """The mapping under the key for a look ahead: nothing becomes known, problems there are left to `section`."""
        node = self._values.get(key)
        if not isinstance(node, yaml.MappingNode):
            node = yaml.MappingNode("", [], self.node.start_mark)
        found = Section(node, f"{self.pointer}/{key}", Problems(""))
        found.problems = self.problems
        return found

    def peek_text(self, key: str) -> str:
        """The scalar under the key as it is written; empty where there is none."""
        node = self._values.get(key)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def section(self, key: str) -> "Section":
        """The mapping under the key; an empty one where it isn't given."""
        node = self._values[key] if self.has(key) else yaml.MappingNode("", [], self.node.start_mark)
        return Section(node, f"{self.pointer}/{key}", self.problems)

    def sections(self, key: str) -> Iterator["Section"]:
        """Each mapping of the list under the key; none where it isn't given."""
        if not self.has(key):
            return
        node = self._values[key]
        if not isinstance(node, yaml.SequenceNode):
            self.problem(key, "a list is expected here", "write one entry per line, each after a dash")
            return
        for n, item in enumerate(node.value):
            yield Section(item, f"{self.pointer}/{key}/{n}", self.problems)

    def text(self, key: str, default: str = "", choices: Collection[str] = ()) -> str:
        """The word under the key, one of `choices` where there are any."""
        if not self.has(key):
            return default
        node = self._values[key]
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null" or not node.value:
            self.problem(key, "a word is expected here", "write a word")
            return default
        if choices and node.value not in choices:
            self.problem(key, f"{node.value!r} is unknown", f"use one of: {', '.join(sorted(choices))}")
            return default
        return str(node.value)

    def words(self, key: str, default: tuple[str, ...], choices: Collection[str] = ()) -> tuple[str, ...]:
        """The list of words under the key."""
        if not self.has(key):
            return default
        node = self._values[key]
        items = node.value if isinstance(node, yaml.SequenceNode) else []
        found = tuple(item.value for item in items if isinstance(item, yaml.ScalarNode))
        if not found or len(found) != len(items):
            self.problem(key, "a list of words is expected here", "write it like [one, two]")
            return default
        for word in found:
            if choices and word not in choices:
                self.problem(key, f"{word!r} is unknown", f"use some of: {', '.join(sorted(choices))}")
        return found

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """The plain number under the key, from `low` to `high`."""
        if not self.has(key):
            return default
        node = self._values[key]
        if not isinstance(node, yaml.ScalarNode) or node.tag not in (
            "tag:yaml.org,2002:int",
            "tag:yaml.org,2002:float",
        ):
            self.problem(key, "a number is expected here", f"write a number from {low:g} to {high:g}")
            return default
        try:
            value = float(yaml.safe_load(node.value))
        except (ValueError, TypeError, OverflowError, yaml.YAMLError):  # a tag that isn't true, or far too many digits
            self.problem(key, f"{node.value[:30]!r} is no number", f"write a number from {low:g} to {high:g}")
            return default
        return self._within(key, value, low, high, default)

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """The whole number under the key, from `low` to `high`."""
        value = self.number(key, default, low, high)
        if value != int(value):
            self.problem(key, f"{value:g} is not a whole number", f"write a whole number from {low} to {high}")
        return int(value)

    def measure(self, key: str, default: float, units: Mapping[str, float], high: float) -> float:
        """The quantity under the key in the table's base unit, from 0 to `high`."""
        if not self.has(key):
            return default
        node = self._values[key]
        try:
            value = quantity(node.value if isinstance(node, yaml.ScalarNode) else "", units)
        except ValueError as error:
            self.problem(key, str(error), f"write it like 8{next(iter(units))}")
            return default
        return self._within(key, value, 0, high, default)

    def numbers(self, key: str, low: float, high: float) -> dict[str, float]:
        """The mapping under the key from any words to numbers from `low` to `high`; empty where it isn't given."""
        found = self.section(key)
        values = {name: found.number(name, low, low, high) for name in found.names()}
        found.finish()
        return values

    def flag(self, key: str) -> bool:
        """The true or false under the key; false where it isn't given."""
        return self.text(key, "false", ("true", "false")) == "true"

    def finish(self) -> None:
        """Report every key that nobody asked for."""
        for name, key in self._keys.items():
            if name not in self._known:
                fix = f"the keys here are: {', '.join(sorted(self._known))}"
                self.problems.add(key, f"{self.pointer}/{name}", f"unknown key {name!r}", fix)

    def _within(self, key: str, value: float, low: float, high: float, default: float) -> float:
        if low <= value <= high:
            return value
        self.problem(key, f"{value:g} is out of range", f"use {low:g} to {high:g}")
        return default


def parse(text: str, source: str) -> Section:
    """The text's outermost section. Raises Invalid for what isn't YAML, too large, or full of aliases."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise refused(source, [Problem("/", f"larger than {MAX_BYTES} bytes", "a policy is a page, not a book")])
    problems = Problems(source)
    try:
        _check_shape(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise refused(source, [Problem("/", f"{where}{error.problem}", "write valid YAML")]) from error
    except yaml.YAMLError as error:
        raise refused(source, [Problem("/", str(error), "write valid YAML in UTF-8")]) from error
    if node is None:
        raise refused(source, [Problem("/", "line 1, column 1: the text is empty", "write a policy")])
    root = Section(node, "", problems)
    problems.raise_any()
    return root


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line of that part of a text that was read before; 0 where it isn't written there, but taken over."""
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for key in path:
        if isinstance(node, yaml.MappingNode):
            found = [(k, value) for k, value in node.value if k.value == key]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = [(node.value[key], node.value[key])]
        else:
            found = []
        if not found:
            return 0
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line


def _within(node: yaml.Node, at: int) -> tuple[int, int]:
    """Line and column of the character `at` of a text, as far as YAML's folding and escapes leave it countable."""
    mark, style = node.start_mark, node.style if isinstance(node, yaml.ScalarNode) else None
    if style not in ("|", ">"):
        return mark.line, mark.column + at + (style in ("'", '"'))
    lines = (mark.buffer or "").split("\n")[mark.line + 1 :]
    indent = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), 0)
    row = 0
    while row + 1 < len(lines) and at > len(lines[row]) - indent:
        at -= max(0, len(lines[row]) - indent) + 1
        row += 1
    return mark.line + 1 + row, indent + at


def _check_shape(text: str, source: str) -> None:
    """Refuse alias bombs, bottomless nesting and tags before anything is built."""
    aliases = depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        tag = getattr(event, "tag", None)
        if aliases > MAX_ALIASES or depth > MAX_DEPTH or tag:
            mark = event.start_mark
            at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            what = f"more than {MAX_ALIASES} aliases" if aliases > MAX_ALIASES else f"nested deeper than {MAX_DEPTH}"
            what = f"the tag {tag!r} is not admitted" if tag else what
            raise refused(source, [Problem("/", f"{at}{what}", "write it out plainly")])
