# SPDX-License-Identifier: Apache-2.0
"""Reading many properties of many objects in one call. An object is never asked by its attributes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim, vmodl

from services.common.contracts.errors import HostFailed, TryAgain
from services.hostagent.drivers.vsphere.session import Seat
from services.hostagent.drivers.vsphere.vendor_errors import words

_Q = vmodl.query.PropertyCollector
_PAGE = 1000
_GONE = (vmodl.fault.ManagedObjectNotFound,)


@dataclass(frozen=True)
class Found:
    """An object and those of its properties that it has."""

    ref: Any
    properties: dict[str, Any] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        """The property, or `default` where the object has none."""
        return self.properties.get(path, default)


def of(refs: Sequence[Any], kind: Any, paths: Sequence[str]) -> Any:
    """What is asked of these objects; None where there are none to ask."""
    if not refs:
        return None
    objects = [_Q.ObjectSpec(obj=ref, skip=False) for ref in refs]
    return _Q.FilterSpec(objectSet=objects, propSet=[_wanted(kind, paths)], reportMissingObjectsInResults=True)


def within(view: Any, kind: Any, paths: Sequence[str]) -> Any:
    """What is asked of all objects in a view."""
    step = _Q.TraversalSpec(name="view", path="view", skip=False, type=type(view))
    objects = [_Q.ObjectSpec(obj=view, skip=True, selectSet=[step])]
    # A view that is missing is an error: it must not look like one with nothing in it.
    return _Q.FilterSpec(objectSet=objects, propSet=[_wanted(kind, paths)], reportMissingObjectsInResults=False)


def retrieve(seat: Seat, *specs: Any) -> list[Found]:
    """All of it, in one call (and one more for each further page); nothing asked is nothing found.

    What has vanished meanwhile is left out. TryAgain when the server answered half: nothing is taken for absent that
    was only not told.
    """
    asked = [spec for spec in specs if spec is not None]
    if not asked:
        return []
    collector = seat.content.propertyCollector
    try:
        page = collector.RetrievePropertiesEx(asked, _Q.RetrieveOptions(maxObjects=_PAGE))
    except vmodl.fault.ManagedObjectNotFound as error:
        if isinstance(error.obj, vim.view.View):  # it lives as long as the sign-in, so that is over, too
            raise vim.fault.NotAuthenticated(msg=error.msg) from error
        raise
    found: list[Found] = []
    while page is not None:
        found += [_found(item) for item in page.objects if not _vanished(item)]
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    return found


def through(ref: Any, path: str, kind: Any, paths: Sequence[str]) -> Any:
    """What is asked of the objects that a property of another one names."""
    step = _Q.TraversalSpec(name=path, path=path, skip=False, type=type(ref))
    objects = [_Q.ObjectSpec(obj=ref, skip=True, selectSet=[step])]
    return _Q.FilterSpec(objectSet=objects, propSet=[_wanted(kind, paths)], reportMissingObjectsInResults=False)


@contextmanager
def view_of(seat: Seat, container: Any, kinds: Sequence[Any]) -> Iterator[Any]:
    """A view of everything of these kinds under a container, for one question."""
    view = seat.content.viewManager.CreateContainerView(container, list(kinds), True)
    try:
        yield view
    finally:
        view.DestroyView()


@contextmanager
def collecting(seat: Seat, spec: Any) -> Iterator[Any]:
    """A collector of its own, whose changes wake nobody else, for as long as the block."""
    collector = seat.content.propertyCollector.CreatePropertyCollector()
    try:
        collector.CreateFilter(spec, False)  # a property that has changed is told whole, never a piece of it
        yield collector
    finally:
        with suppress(vim.fault.NotAuthenticated, vmodl.fault.ManagedObjectNotFound):  # it went with the sign-in
            collector.DestroyPropertyCollector()


def below(seat: Seat, container: Any, kind: Any, paths: Sequence[str]) -> list[Found]:
    """Everything of a kind under a container."""
    with view_of(seat, container, [kind]) as view:
        return retrieve(seat, within(view, kind, paths))


def _wanted(kind: Any, paths: Sequence[str]) -> Any:
    return _Q.PropertySpec(type=kind, pathSet=list(paths), all=False)


def _vanished(item: Any) -> bool:
    return any(isinstance(missing.fault, _GONE) for missing in item.missingSet)


def _found(item: Any) -> Found:
    for missing in item.missingSet:
        if isinstance(missing.fault, vim.fault.NotAuthenticated):
            raise missing.fault  # as if the whole call had been refused
        if isinstance(missing.fault, vim.fault.NoPermission):
            raise HostFailed(f"reading {missing.path} of {item.obj._moId}: {words(missing.fault)}")
        raise TryAgain(f"the server answered half: {missing.path} of {item.obj._moId}: {words(missing.fault)}")
    return Found(item.obj, {prop.name: prop.val for prop in item.propSet})
