# SPDX-License-Identifier: Apache-2.0
"""A vCenter that isn't one: govmomi's simulator, built from main.go and ended with the test."""
