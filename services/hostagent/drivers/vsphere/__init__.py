# SPDX-License-Identifier: Apache-2.0
"""The vSphere driver: one place of a vCenter (a cluster or a host of its own), or a standalone ESXi."""
