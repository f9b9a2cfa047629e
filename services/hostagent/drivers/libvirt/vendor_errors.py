# SPDX-License-Identifier: Apache-2.0
"""libvirt's errors become ours here, with libvirt's own words in them."""

from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from services.common.contracts.errors import HostFailed, InnkeeperError, TryAgain

_AWAY = frozenset(
    {
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_RPC,
    }
)
_LATER = frozenset({libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_AGENT_UNRESPONSIVE})
_TRANSPORT = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_NONE})


def code(error: libvirt.libvirtError) -> int:
    """libvirt's number of the error; -1 when it gave none."""
    number = error.get_error_code()
    return -1 if number is None else int(number)


def connection_lost(error: libvirt.libvirtError) -> bool:
    """Whether libvirtd itself could not be reached, as opposed to: it refused."""
    return code(error) in _AWAY and error.get_error_domain() in _TRANSPORT


def ours(doing: str, error: libvirt.libvirtError) -> InnkeeperError:
    """HostFailed or TryAgain, saying what we were doing and what libvirt said."""
    text = f"{doing}: {error.get_error_message() or error}"
    if connection_lost(error) or code(error) in _LATER:
        return TryAgain(text)
    return HostFailed(text, extra={"libvirt_code": code(error)})


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise libvirt's errors inside the block as ours."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise ours(doing, error) from error
