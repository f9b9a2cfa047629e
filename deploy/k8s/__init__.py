# SPDX-License-Identifier: Apache-2.0
"""What is written from the Helm chart: its README, its schema, and the same objects for kustomize."""
