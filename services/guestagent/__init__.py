# SPDX-License-Identifier: Apache-2.0
"""Inside the vm: tells the host what it finds. Standard library only, Python 3.6 and later, shipped as one .pyz."""
