# SPDX-License-Identifier: Apache-2.0
"""What tests, benches and the chaos suite stand on: real servers, real processes, real guests."""
