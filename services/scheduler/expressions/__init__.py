# SPDX-License-Identifier: Apache-2.0
"""Conditions in a policy, such as "vm.vcpus <= host.vcpus / 2": read, checked for types, and run in two ways."""
