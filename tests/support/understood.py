# SPDX-License-Identifier: Apache-2.0
"""What a reader of its format makes of an answer file: its structure, and every text in it, decoded.

Structure is what must not change when a value does: keys, tags, commands, options, lines, and how many there are.
`opaque` are texts that are data to the very end, such as a user's script: what is inside of them is nobody's structure.
"""

import ast
import email
import json
import re
import shlex
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import yaml
from lxml import etree

from services.imagebuilder.masters.guest_agent import shell_script
from tests.support.shell_words import shell_words

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR = "tag:yaml.org,2002:str"
_BASE64 = re.compile(
    r"(?:data:;base64,)?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=))"
)
# A long file comes to its place in pieces, since a command has a longest argument.
_PIECE = re.compile(r"echo ([A-Za-z0-9+/=]+) \| base64 -d >>(\S+)")
# Ignition, which is JSON; elsewhere user data is YAML.
CONFIG_DRIVE = "openstack/latest/user_data"
_AGENT = shell_script().decode()
_XML = etree.XMLParser(resolve_entities=False, no_network=True)


@dataclass
class Reader:
    """Collects the texts of one wish's files."""

    opaque: frozenset[str]
    texts: set[str] = field(default_factory=set)
    scripts: list[str] = field(default_factory=list)  # ours, for a shell to judge

    def file(self, path: str, content: bytes) -> Any:
        """The structure of a file, by what its name says it is; raises where the format's reader would."""
        text = content.decode()
        name = path.rpartition("/")[2].lower()
        if name == "preseed.cfg":
            return self._preseed(text)
        if name.endswith(".cfg"):
            return list(self._kickstart(text))
        if name.endswith(".ps1"):
            return text
        if name.endswith((".net", ".conf")):
            return self._words(text)
        if name.endswith(".xml"):
            return self._element(etree.fromstring(content, _XML))
        if name.endswith(".json") or path == CONFIG_DRIVE:
            return self._json(text)
        return self._shell(text) if name.endswith(".sh") or text.startswith("#!") else self._document(text)

    def _document(self, text: str) -> Any:
        """A YAML file, or MIME parts of which the first is ours and the second the user's."""
        if not text.startswith("Content-Type: multipart/"):
            return self._node(yaml.compose(text, _LOADER))
        parts = email.message_from_string(text).get_payload()
        assert isinstance(parts, list)
        found = []
        for part in parts:
            assert isinstance(part, Message)
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((part.get_content_type(), part.get_filename(), self._text(payload.decode())))
        return found

    def _node(self, node: Any) -> Any:
        """Composed, not loaded: a key given twice stays twice, and each scalar says what YAML takes it for."""
        if isinstance(node, yaml.MappingNode):
            return [(key.value, self._node(value)) for key, value in node.value]
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node.value)
        return self._text(node.value) if node.tag == _STR else node.tag

    def _sequence(self, nodes: Any) -> Any:
        pieces: dict[str, bytes] = {}
        found = []
        for node in nodes:
            if piece := isinstance(node.value, str) and _PIECE.fullmatch(node.value):
                pieces[piece[2]] = pieces.get(piece[2], b"") + b64decode(piece[1], validate=True)
            else:
                found.append(self._node(node))
        return found + [(path, self.file(path, content)) for path, content in pieces.items()]

    def _json(self, text: str) -> Any:
        return self._value(json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs)))

    def _value(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return [(key, self._value(item)) for key, item in value[1]]
        if isinstance(value, list):
            return [self._value(item) for item in value]
        return self._text(value) if isinstance(value, str) else type(value).__name__

    def _element(self, element: Any) -> Any:
        attributes = [(name, self._text(value)) for name, value in element.attrib.items()]
        text = self._text(element.text) if element.text and element.text.strip() else ""
        return (str(element.tag), attributes, text, [self._element(child) for child in element])

    def _kickstart(self, text: str) -> Iterator[Any]:
        """Commands, then sections; Anaconda's end at %end, ESXi's where the next one begins."""
        section, lines = "", list[str]()
        for line in [*text.split("\n"), "%end"]:
            if not section and not line.startswith("%"):
                words = shlex.split(line, comments=True)
                yield [re.sub(r"=.*", "=", word, flags=re.S) if word.startswith("--") else "" for word in words]
                self.texts.update(word.partition("=")[2] if word.startswith("--") else word for word in words)
            elif line.startswith("%"):
                if section:
                    yield section, self._section(section, "\n".join(lines))
                section, lines = ("" if line.startswith("%end") else line), []
            else:
                lines.append(line)

    def _section(self, title: str, text: str) -> Any:
        if title.startswith("%packages"):
            self.texts.update(text.split("\n"))
            return len(text.split("\n"))
        if "=python" not in title:
            return self._shell(text)
        constants = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)]
        return [self._text(value) if isinstance(value, str) else value for value in constants]

    def _preseed(self, text: str) -> Any:
        """Owner, question and type of each line, as debconf cuts them."""
        joined = re.sub(r"\\\n\s*", " ", text)
        lines = [line.split(None, 3) for line in joined.split("\n") if line and not line.startswith("#")]
        self.texts.update(word for line in lines for word in [*line[3:], *" ".join(line[3:]).split()])
        return [line[:3] for line in lines]

    def _words(self, text: str) -> Any:
        lines = [line.split(" ") for line in text.split("\n")]
        self.texts.update(word for line in lines for word in line)
        return [(line[0], len(line)) for line in lines]

    def _shell(self, text: str) -> Any:
        self.scripts.append(text)
        found = []
        for kind, word in shell_words(text):
            self.texts.add(word)
            if kind == "bare":
                found.append(self._text(word) if _BASE64.fullmatch(word) else word)
            elif kind == "sign":
                found.append(word)
            else:
                found.append((kind, self._text(word)))
        return found

    def _text(self, text: str) -> Any:
        """A leaf: a text, or a document of ours in one."""
        self.texts.add(text)
        if text in self.opaque:
            return "text"
        if match := _BASE64.fullmatch(text):
            try:
                decoded = b64decode(match[1], validate=True).decode()
            except (UnicodeDecodeError, Error):
                return "text"
            self.texts.add(decoded)
            text = decoded
        # The agent is the same for everybody.
        if text in self.opaque or text == _AGENT:
            return "text"
        if text.startswith(("#cloud-config", "Content-Type: multipart/")):
            return self._document(text)
        if (text.startswith('{"') and text.endswith("}")) or (text.startswith('[{"') and text.endswith("}]")):
            return self._json(text)
        return self._shell(text) if text.startswith("#!/bin/sh\n") else "text"
