# SPDX-License-Identifier: Apache-2.0
"""What a process needs for as long as it runs, kept out of the way of the garbage collector."""

import gc


def keep_what_is_there() -> None:
    """Never look through what is there now again: modules, tables of hosts, machine code.

    With Numba and ten thousand hosts in memory a full collection stops every thread for more than 100 ms; and without
    this the end of any service looks through all of it for a third of a second.
    What is frozen is still freed when its last reference goes.
    """
    gc.collect()
    gc.freeze()
