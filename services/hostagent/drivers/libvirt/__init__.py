# SPDX-License-Identifier: Apache-2.0
"""QEMU/KVM through libvirt; the only place that knows the vendor's words."""
