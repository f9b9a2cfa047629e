# SPDX-License-Identifier: Apache-2.0
"""Containers by a dockerd of our own: a daemon, a base image made here, images, a compose stack."""
