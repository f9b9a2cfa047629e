# SPDX-License-Identifier: Apache-2.0
"""How Innkeeper is put on machines: embedded, in containers, on Kubernetes."""
