# SPDX-License-Identifier: Apache-2.0
"""Machines' own controllers, which answer while the machine sleeps: asked by Redfish, or by IPMI through ipmitool."""
