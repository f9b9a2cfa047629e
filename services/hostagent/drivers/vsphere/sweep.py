# SPDX-License-Identifier: Apache-2.0
"""The inventory's question, asked and read without the vendor's library, which takes ten times as long for the answer.

Whatever is out of the ordinary (a refusal, half an answer) is None here: the library is asked then, and says it well.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from services.hostagent.drivers.vsphere.mark import KEY
from services.hostagent.drivers.vsphere.session import Seat, Session

_SOAP, _VIM = "http://schemas.xmlsoap.org/soap/envelope/", "urn:vim25"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_OBJECTS, _TOKEN, _PROP, _MISSING = (f"{{{_VIM}}}{name}" for name in ("objects", "token", "propSet", "missingSet"))
_PAGE = "1000"

# vSphere's id of an object, and its properties: of a list of options the owner mark alone, or ""; so is whatever else
# has parts, a question too: that it is there says enough.
Swept = tuple[str, dict[str, str]]


def sweep(session: Session, seat: Seat, view: Any, paths: tuple[str, ...]) -> list[Swept] | None:
    """These properties of all vms in a view, in one call, and one for each further page; None: ask the library."""
    collector = seat.content.propertyCollector._moId
    answer = session.post(_question(collector, view._moId, paths))
    found: list[Swept] = []
    while answer is not None:
        page = read(answer)
        if page is None:
            return None
        found += page[0]
        if not page[1]:
            return found
        answer = session.post(_next_page(collector, page[1]))
    return None


def read(answer: bytes) -> tuple[list[Swept], str] | None:
    """The objects of a page, and the token for the next; None where something was not told."""
    root = ElementTree.fromstring(answer)
    objects = list(root.iter(_OBJECTS))
    if any(item.find(_MISSING) is not None for item in objects):
        return None
    token = next((str(found.text) for found in root.iter(_TOKEN)), "")
    return [(str(item[0].text), dict(_properties(item))) for item in objects], token


def _properties(item: ElementTree.Element) -> Iterator[tuple[str, str]]:
    for prop in item.iterfind(_PROP):
        name, value = prop[0].text or "", prop[1]
        if not len(value):
            yield name, value.text or ""
            continue
        options = (option for option in reversed(value) if len(option) > 1)
        yield name, next((option[1].text or "" for option in options if option[0].text == KEY), "")


def _question(collector: str, view: str, paths: tuple[str, ...]) -> bytes:
    method = ElementTree.Element("RetrievePropertiesEx", xmlns=_VIM)
    _add(method, "_this", collector, type="PropertyCollector")
    spec = ElementTree.SubElement(method, "specSet")
    wanted = ElementTree.SubElement(spec, "propSet")
    _add(wanted, "type", "VirtualMachine")
    _add(wanted, "all", "false")
    for path in paths:
        _add(wanted, "pathSet", path)
    where = ElementTree.SubElement(spec, "objectSet")
    _add(where, "obj", view, type="ContainerView")
    _add(where, "skip", "true")
    step = ElementTree.SubElement(where, "selectSet", {"xmlns:xsi": _XSI, "xsi:type": "TraversalSpec"})
    for name, value in (("name", "view"), ("type", "ContainerView"), ("path", "view"), ("skip", "false")):
        _add(step, name, value)
    _add(ElementTree.SubElement(method, "options"), "maxObjects", _PAGE)
    return _enveloped(method)


def _next_page(collector: str, token: str) -> bytes:
    method = ElementTree.Element("ContinueRetrievePropertiesEx", xmlns=_VIM)
    _add(method, "_this", collector, type="PropertyCollector")
    _add(method, "token", token)
    return _enveloped(method)


def _enveloped(method: ElementTree.Element) -> bytes:
    envelope = ElementTree.Element("soapenv:Envelope", {"xmlns:soapenv": _SOAP})
    ElementTree.SubElement(envelope, "soapenv:Body").append(method)
    head = b"<?xml version='1.0' encoding='utf-8'?>"
    return head + bytes(ElementTree.tostring(envelope))


def _add(parent: ElementTree.Element, tag: str, text: str, **attributes: str) -> None:
    ElementTree.SubElement(parent, tag, attributes).text = text
