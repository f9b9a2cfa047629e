# SPDX-License-Identifier: Apache-2.0
"""The one thread of the process that runs libvirt's event loop. No libvirt call is ever made on it."""

import threading

import libvirt

from services.common.runtime.log import get_logger

log = get_logger(__name__)
_lock = threading.Lock()
_started = False


def run_event_loop() -> None:
    """Start the loop; must come before the first connection is opened. Once a process, later calls do nothing."""
    global _started
    with _lock:
        if _started:
            return
        libvirt.registerErrorHandler(_no_chatter, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_loop, name="libvirt-events", daemon=True).start()
        _started = True


def _loop() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            log.error("the event loop of libvirt stumbled", error=str(error))


def _no_chatter(_context: object, _error: object) -> None:
    """libvirt prints each error on stderr unless told not to; we raise them instead."""
