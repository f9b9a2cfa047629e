#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The power button was pressed.
sync
poweroff -f
