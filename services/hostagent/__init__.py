# SPDX-License-Identifier: Apache-2.0
"""Acts on one host: takes signed commands, drives its hypervisor, reports facts."""
