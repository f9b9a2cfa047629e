# SPDX-License-Identifier: Apache-2.0
"""Datastores of the fake host: as its settings say, and as limited as the real ones of their kinds. Pure."""

from services.common.contracts.datastores import Datastore, DatastoreKind
from services.hostagent.drivers.datastore_settings import Store


def datastore_facts(store: Store) -> Datastore:
    """What the host tells of it."""
    return Datastore(store.name, store.kind, store.size_gib, grows=store.kind != DatastoreKind.LVM)
