# SPDX-License-Identifier: Apache-2.0
"""How the bootstrap fails: a sentence for the user and a stable exit code."""


class Failure(Exception):
    """`code` is one of the exit codes in bootstrap.py; the text says what is wrong and what to do."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
