# SPDX-License-Identifier: Apache-2.0
"""Who signs in by a name that nobody has waits as long as one whose password is wrong."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from services.api.passwords import Passwords


def test_the_hash_that_stands_for_nobody_is_worked_through_like_any_other() -> None:
    passwords = Passwords()
    nobody = passwords._nobody
    assert extract_parameters(nobody) == extract_parameters(passwords.hash("guest"))
    # A hash that can't be read would be refused at once, and so tell which users there are.
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(nobody, "guest")
    assert nobody != Passwords()._nobody


def test_only_the_password_of_a_user_is_right() -> None:
    passwords = Passwords()
    kept = passwords.hash("guest")
    assert passwords.right(kept, "guest")
    assert not passwords.right(kept, "Guest")
    assert not passwords.right(None, "guest")
