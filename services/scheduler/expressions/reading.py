# SPDX-License-Identifier: Apache-2.0
"""Reads a condition: Python's grammar, of which a small part is admitted, and nothing is ever evaluated by Python."""

import ast
import tokenize
from collections.abc import Mapping, Sequence
from io import StringIO

from services.scheduler.expressions.tree import Call, Literal, Node, Word
from services.scheduler.expressions.words import HOST, LABELS, VM, Kind

MAX_LENGTH = 1000
MAX_DEPTH = 24
_LARGEST = 2.0**53  # beyond it floats skip integers

_ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_ORDER: Mapping[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_SAME: Mapping[type[ast.cmpop], str] = {ast.Eq: "==", ast.NotEq: "!="}
_LISTS = {Kind.TEXT: (Kind.TEXTS, Kind.HOST_TEXTS), Kind.NUMBER: (Kind.NUMBERS,)}


class Misread(Exception):
    """What is wrong with a condition, and where: `at` counts characters from its beginning."""

    def __init__(self, detail: str, fix: str, at: int = 0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix
        self.at = at


def read_condition(text: str) -> Node:
    """The condition; raises Misread for everything that isn't one."""
    if len(text) > MAX_LENGTH:
        raise Misread(f"longer than {MAX_LENGTH} characters", "split it into several filters")
    flat = "".join(" " if c in "\r\n" else c for c in text)
    try:
        _refuse_comments(flat)
        tree = ast.parse(flat.lstrip(), mode="eval")
    except (SyntaxError, tokenize.TokenError) as error:
        offset = error.offset if isinstance(error, SyntaxError) else None
        at = min(len(flat), len(flat) - len(flat.lstrip()) + (offset or 1) - 1)
        what = error.msg if isinstance(error, SyntaxError) else error.args[0]
        raise Misread(f"can't be read: {what}", "write a condition such as vm.vcpus <= 8", at) from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise Misread("can't be read: too deeply nested, or full of strange characters", "make it simpler") from error
    node = _Reader(flat).read(tree.body, 0)
    if node.kind is not Kind.TRUTH:
        raise Misread(f"is {node.kind}, not a condition", "compare it with something", _at(flat, tree.body))
    return node


def _refuse_comments(flat: str) -> None:
    # Lines are joined to one, so a comment would take all that follows along.
    for token in tokenize.generate_tokens(StringIO(flat.lstrip()).readline):
        if token.type == tokenize.COMMENT:
            at = len(flat) - len(flat.lstrip()) + token.start[1]
            raise Misread("has a comment within it", "put comments above it, on lines of their own", at)


def _at(flat: str, node: ast.expr) -> int:
    # Python counts bytes, people and editors count characters.
    text = flat.lstrip()
    return len(flat) - len(text) + len(text.encode()[: node.col_offset].decode(errors="ignore"))


class _Reader:
    """Turns Python's nodes into ours, one method for each that is admitted."""

    def __init__(self, flat: str) -> None:
        self._flat = flat

    def read(self, node: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._misread(node, f"nested deeper than {MAX_DEPTH}", "split it into several filters")
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Attribute():
                return self._word(node)
            case ast.List() | ast.Tuple():
                return self._list(node, depth)
            case ast.BoolOp():
                parts = self._all(node.values, depth, Kind.TRUTH)
                return Call(Kind.TRUTH, "and" if isinstance(node.op, ast.And) else "or", parts)
            case ast.UnaryOp():
                return self._unary(node, depth)
            case ast.BinOp():
                return self._arithmetic(node, depth)
            case ast.Compare():
                return self._comparisons(node, depth)
            case ast.Call():
                return self._call(node, depth)
        raise self._misread(node, f"{ast.unparse(node)[:40]!r} is not admitted here", "see docs/scheduling.md")

    def _misread(self, node: ast.expr, detail: str, fix: str) -> Misread:
        return Misread(detail, fix, _at(self._flat, node))

    def _all(self, nodes: Sequence[ast.expr], depth: int, kind: Kind) -> tuple[Node, ...]:
        found = tuple(self.read(node, depth + 1) for node in nodes)
        for source, node in zip(nodes, found, strict=True):
            if node.kind is not kind:
                detail = f"{ast.unparse(source)[:40]!r} is {node.kind}; {kind} is needed here"
                raise self._misread(source, detail, "compare or convert it")
        return found

    def _literal(self, node: ast.Constant) -> Node:
        value = node.value
        if isinstance(value, bool):
            return Literal(Kind.TRUTH, value)
        if isinstance(value, str):
            return Literal(Kind.TEXT, value)
        if isinstance(value, int | float) and abs(value) <= _LARGEST:
            return Literal(Kind.NUMBER, float(value))
        raise self._misread(node, f"{ast.unparse(node)[:40]} is no number, text, true or false", "write a plain value")

    def _word(self, node: ast.Attribute) -> Node:
        base, name = node.value, node.attr
        if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
            if (base.value.id, base.attr) == ("vm", LABELS):
                return Word(Kind.TEXT, LABELS, name)
        elif isinstance(base, ast.Name) and base.id in ("vm", "host"):
            known = VM if base.id == "vm" else HOST
            if name in known:
                return Word(known[name], base.id, name)
            fix = f"{base.id} has: {', '.join(sorted(known))}" + (", labels.<label>" if base.id == "vm" else "")
            raise self._misread(node, f"{base.id} has no {name!r}", fix)
        raise self._misread(node, f"{ast.unparse(node)[:40]!r} is unknown", "name something of vm or host")

    def _list(self, node: ast.List | ast.Tuple, depth: int) -> Node:
        parts = [self.read(part, depth + 1) for part in node.elts]
        if parts and all(isinstance(part, Literal) and part.kind is Kind.TEXT for part in parts):
            return Literal(Kind.TEXTS, tuple(str(part.value) for part in parts if isinstance(part, Literal)))
        if parts and all(isinstance(part, Literal) and part.kind is Kind.NUMBER for part in parts):
            numbers = (part.value for part in parts if isinstance(part, Literal))
            return Literal(Kind.NUMBERS, tuple(n for n in numbers if isinstance(n, float)))
        raise self._misread(node, "a list must have only texts or only numbers, written out", "write ('a', 'b')")

    def _unary(self, node: ast.UnaryOp, depth: int) -> Node:
        if isinstance(node.op, ast.Not):
            return Call(Kind.TRUTH, "not", self._all([node.operand], depth, Kind.TRUTH))
        if isinstance(node.op, ast.USub):
            return Call(Kind.NUMBER, "-", (Literal(Kind.NUMBER, 0.0), *self._all([node.operand], depth, Kind.NUMBER)))
        raise self._misread(node, "this operator is not admitted", "use not or -")

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Node:
        if type(node.op) not in _ARITHMETIC:
            raise self._misread(node, "this operator is not admitted", "use +, -, * or /")
        return Call(Kind.NUMBER, _ARITHMETIC[type(node.op)], self._all([node.left, node.right], depth, Kind.NUMBER))

    def _comparisons(self, node: ast.Compare, depth: int) -> Node:
        sides = [node.left, *node.comparators]
        found = [
            self._comparison(op, left, right, depth)
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        return found[0] if len(found) == 1 else Call(Kind.TRUTH, "and", tuple(found))

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr, depth: int) -> Node:
        if type(op) in _ORDER:
            return Call(Kind.TRUTH, _ORDER[type(op)], self._all([left, right], depth, Kind.NUMBER))
        one, other = self.read(left, depth + 1), self.read(right, depth + 1)
        if type(op) in _SAME:
            if one.kind is not other.kind or one.kind not in _LISTS:
                raise self._misread(right, f"{one.kind} can't be compared with {other.kind}", "compare like with like")
            return Call(Kind.TRUTH, _SAME[type(op)], (one, other))
        if not isinstance(op, ast.In | ast.NotIn):
            raise self._misread(right, "this comparison is not admitted", "use ==, !=, <, <=, >, >=, in or not in")
        if one.kind not in _LISTS or other.kind not in _LISTS[one.kind]:
            raise self._misread(right, f"{one.kind} can't be in {other.kind}", "look for a text in a list of texts")
        if other.kind is Kind.HOST_TEXTS and isinstance(one, Word) and one.of == "host":
            raise self._misread(left, "a host's text can't be looked for in a host's list", "name a text, or one of vm")
        inside = Call(Kind.TRUTH, "in", (one, other))
        return inside if isinstance(op, ast.In) else Call(Kind.TRUTH, "not", (inside,))

    def _call(self, node: ast.Call, depth: int) -> Node:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if node.keywords:
            raise self._misread(node, "arguments have no names here", f"write {name}(one, other)")
        if name in ("min", "max") and len(node.args) > 1:
            return Call(Kind.NUMBER, name, self._all(node.args, depth, Kind.NUMBER))
        if name == "abs" and len(node.args) == 1:
            return Call(Kind.NUMBER, name, self._all(node.args, depth, Kind.NUMBER))
        if name == "starts" and len(node.args) == 2:
            args = self._all(node.args, depth, Kind.TEXT)
            if not any(isinstance(arg, Word) and arg.of == "host" for arg in args):
                return Call(Kind.TRUTH, name, args)
            raise self._misread(node, "starts looks at texts of vm alone", "use == or in for texts of the host")
        fix = "there are min(a, b, ...), max(a, b, ...), abs(a) and starts(text, beginning)"
        raise self._misread(node, f"{ast.unparse(node)[:40]!r} is no function with these arguments", fix)
