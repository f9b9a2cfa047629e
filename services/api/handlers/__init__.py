# SPDX-License-Identifier: Apache-2.0
"""What each route does: (call, db) to an answer, in the transaction the gate has opened."""
