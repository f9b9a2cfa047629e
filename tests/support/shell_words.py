# SPDX-License-Identifier: Apache-2.0
"""How a POSIX shell cuts a script: words with their quotes taken off, signs between them, here-documents whole."""

import re
from collections.abc import Iterator

_BARE = re.compile(r"[^\s'\"\\;&|<>()#$]+")
_HERE = re.compile(r"<<-?\s*(['\"]?)([A-Za-z0-9_]+)\1")
_ESCAPED = re.compile(r'\\([\\"$`])')
_CLOSING = {"${": "}", "$(": ")"}


class _Script:
    """A script and how far it is cut."""

    def __init__(self, text: str):
        self.text = text + "\n"
        self.at = 0
        self.word: list[str] = []
        self.quoted = False
        self.waiting: list[str] = []

    def cut(self) -> Iterator[tuple[str, str]]:
        while self.at < len(self.text):
            if piece := self._piece():
                self.word.append(piece[0])
                continue
            if self.word:
                yield ("quoted" if self.quoted else "bare"), "".join(self.word)
                self.word, self.quoted = [], False
            yield from self._between()

    def _piece(self) -> tuple[str] | None:
        """A part of a word; None where the word ends."""
        sign = self.text[self.at]
        if sign in "'\"":
            end = self.text.index("'", self.at + 1) if sign == "'" else self._end(self.at + 1, '"')
            inner, self.at, self.quoted = self.text[self.at + 1 : end], end + 1, True
            return (inner if sign == "'" else _ESCAPED.sub(r"\1", inner),)
        if sign == "\\":
            self.at += 2
            return (self.text[self.at - 1],)
        if sign == "$" and (closing := _CLOSING.get(self.text[self.at : self.at + 2])):
            begin, self.at = self.at, self._end(self.at + 2, closing) + 1
            return (self.text[begin : self.at],)
        if sign == "$" or (sign == "#" and self.word):
            self.at += 1
            return (sign,)
        if found := _BARE.match(self.text, self.at):
            self.at = found.end()
            return (found[0],)
        return None

    def _end(self, at: int, closing: str) -> int:
        """Where `closing` is, with everything that nests before it left out."""
        while self.text[at] != closing:
            pair = self.text[at : at + 2]
            if pair in _CLOSING:
                at = self._end(at + 2, _CLOSING[pair])
            elif self.text[at] == "(" and closing == ")":
                at = self._end(at + 1, ")")
            elif self.text[at] == '"':
                at = self._end(at + 1, '"')
            elif self.text[at] == "'" and closing == ")":
                at = self.text.index("'", at + 1)
            elif self.text[at] == "\\":
                at += 1
            at += 1
        return at

    def _between(self) -> Iterator[tuple[str, str]]:
        sign = self.text[self.at]
        if sign == "#":
            self.at = self.text.index("\n", self.at)
        elif here := _HERE.match(self.text, self.at):
            self.waiting.append(here[2])
            self.at = here.end()
        elif sign == "\n":
            yield "sign", "\n"
            self.at += 1
            for word in self.waiting:
                end = self.text.index(f"\n{word}\n", self.at - 1)
                yield "here", self.text[self.at : end]
                self.at = end + len(word) + 2
            self.waiting = []
        else:
            if not sign.isspace():
                yield "sign", sign
            self.at += 1


def shell_words(script: str) -> Iterator[tuple[str, str]]:
    """(kind, text): "quoted" for a word with quotes, "bare" for one without, "sign", and "here" for a here-document.

    IndexError or ValueError where something isn't closed.
    """
    return _Script(script).cut()
