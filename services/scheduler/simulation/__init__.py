# SPDX-License-Identifier: Apache-2.0
"""What a policy would do: traces replayed against it in memory, and how many more vms fit under it."""
