# SPDX-License-Identifier: Apache-2.0
"""Files that are sent as they are."""

from typing import BinaryIO

import click


def utf8(file: BinaryIO) -> str:
    """The file's text, to the byte: a policy's hash names it."""
    try:
        return file.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file.name} is not text in UTF-8") from error
