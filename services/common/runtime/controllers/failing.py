# SPDX-License-Identifier: Apache-2.0
"""How a controller fails.

ControllerFailed       no usable answer now; later may work
└── ControllerRefused  it will say the same every time: password, rights, certificate, settings
"""


class ControllerFailed(Exception):
    """The controller gave no usable answer; says why, without any secret."""


class ControllerRefused(ControllerFailed):
    """Asking again would change nothing, and many a controller locks out who insists."""
