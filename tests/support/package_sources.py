# SPDX-License-Identifier: Apache-2.0
"""Further package sources as each row can have them; the keys were made for this, and nobody has their private half."""

from services.common.catalog import OsEntry
from services.common.catalog.entries import Packages
from services.common.contracts.vm import Repository

PUBLIC = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawGbyBYJKwYBBAHaRw8BAQdAkBTYf+mErM+pBXVpAP/xkI+mwbQVCKXfOENh
0Lt3Pou0LVBhY2thZ2VzIG9mIGFuIGV4YW1wbGUgPHBhY2thZ2VzQGV4YW1wbGUu
b3JnPoiQBBMWCAA4FiEEgV25FMeGZuNNBBD4SQlaNQs/4vUFAmsBm8gCGwMFCwkI
BwIGFQoJCAsCBBYCAwECHgECF4AACgkQSQlaNQs/4vXSGwD/S1Oyivhw0MYdX2zH
Cn0N0CTrXpIbNufIgpG/ZYmUP8MA/2VIRXiXlRKG7Btwq9RjYMjYC8bEjQklI0t4
JZ0GD8sN
=F2eK
-----END PGP PUBLIC KEY BLOCK-----
"""
FINGERPRINT = "815DB914C78666E34D0410F849095A350B3FE2F5"
RSA = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAz+xoDXwcQscSDTRVuTa3
tGpJ/PUTRu1NKybnenpHWU+ps/xvvWiS716m+ESzMppGxQXWjtWdFI1ju0VTyOyd
TywbAVJwVVIzuyv2blCyILCFsNm8w3Q/SrUIpg2rM9iyTR1VriXznkJcmduRspO4
FVtt4MWO7pV3cgEw/WbO/1peLc3dWK9HwuavYQjjKq9WtkEOzrPnv7SnYfpDUA3n
g93EVCvsRsedK7PtpvJNJ7ix260nAwbx0bnxZtrEUZ2AvZrClLe2pkO8PiUaAIpH
26uJXgQlYuknCcdjixSnp4giWcXKLOtMPrER19FgAoN6UO5gOkKOrCzWlAJM5DZf
1QIDAQAB
-----END PUBLIC KEY-----
"""
KEY_NAME = "packages@example.org-5f0c.rsa.pub"


def a_source(entry: OsEntry, name: str = "tools", url: str = "https://packages.example.org/x") -> Repository:
    """In the words that the row's package manager has."""
    if entry.repositories == Packages.APK:
        return Repository(name, url, RSA, key_name=KEY_NAME)
    parts = ("stable", ("main", "contrib")) if entry.repositories == Packages.APT else ("", ())
    return Repository(name, url, PUBLIC, *parts)
