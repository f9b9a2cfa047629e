# SPDX-License-Identifier: Apache-2.0
"""The declarative base and the column types every table uses. Times are epoch seconds (UTC) as floats."""

from typing import Annotated, Any, ClassVar

from sqlalchemy import JSON, MetaData, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

Json = JSON().with_variant(JSONB(), "postgresql")

Id = Annotated[str, mapped_column(String(36))]
Key = Annotated[str, mapped_column(String(36), primary_key=True)]
Name = Annotated[str, mapped_column(String(255))]
Word = Annotated[str, mapped_column(String(64))]
Long = Annotated[str, mapped_column(Text)]
JsonDict = dict[str, Any]
JsonList = list[Any]


class Base(DeclarativeBase):
    """Every table; constraint names are fixed so that migrations can name them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {JsonDict: Json, JsonList: Json}
