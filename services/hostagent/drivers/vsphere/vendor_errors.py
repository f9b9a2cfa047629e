# SPDX-License-Identifier: Apache-2.0
"""vSphere's faults become ours here, with the vendor's own words in them."""

from http.client import HTTPException
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from services.common.contracts.errors import HostFailed, InnkeeperError, TryAgain

# A later try may find it otherwise; every other fault is a refusal.
_LATER = (
    vim.fault.NotAuthenticated,
    vim.fault.TaskInProgress,
    vim.fault.ConcurrentAccess,
    vim.fault.Timedout,
    vim.fault.HostConnectFault,
    vim.fault.FileLocked,
    vim.fault.MethodDisabled,  # for as long as something else is done to it
    vmodl.fault.HostCommunication,
    vmodl.fault.RequestCanceled,
)
# The server is away, slow, or answers half: a cut-off answer is no XML.
AWAY = (OSError, HTTPException, ExpatError, ParseError)
FAULTS: tuple[type[Exception], ...] = (vmodl.MethodFault, *AWAY)


def ours(doing: str, error: Exception) -> InnkeeperError:
    """HostFailed or TryAgain, saying what we were doing and what the vendor said."""
    if isinstance(error, vmodl.MethodFault):
        text = f"{doing}: {words(error)}"
        return TryAgain(text) if isinstance(error, _LATER) else HostFailed(text, extra={"vsphere": kind(error)})
    return TryAgain(f"{doing}: {str(error) or type(error).__name__}")


def kind(fault: Any) -> str:
    """The fault's name in the vendor's documentation."""
    return str(getattr(fault, "_wsdlName", type(fault).__name__))


def words(fault: Any) -> str:
    """The name of the fault and all that the vendor says about it."""
    told = [fault.msg, *(message.message for message in fault.faultMessage or ())]
    told += [f"{name}: {value}" for name in _TELLING if isinstance(value := getattr(fault, name, None), str) and value]
    said = [text for text in dict.fromkeys(told) if text]
    return f"{kind(fault)}: {'; '.join(said)}" if said else kind(fault)


_PLACES = ("privilegeId", "file", "datastore", "name", "property", "invalidProperty")
_TELLING = (*_PLACES, "existingState", "reason", "text")  # the text of a question that is to be answered first
