"""What a selector means, in SQLite's words."""

from collections.abc import Sequence
from typing import Final

import orjson

from proxy.core.changes import ALL_TENANTS, Selector

MEANT: Final = """(:tenant IS NULL OR tenant = :tenant)
    AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
    AND (:tags IS NULL OR EXISTS (SELECT 1 FROM json_each(entries.tags) AS held
         JOIN json_each(:tags) AS meant ON held.value = meant.value))
    AND (:scope IS NULL OR scope = :scope)
    AND (:model IS NULL OR model = :model)
    AND (:namespace IS NULL OR namespace = :namespace)
    AND (:principal IS NULL OR principal = :principal)
    AND (:older_than IS NULL OR created_at < :older_than)"""
"""A condition on the table `entries`; `values` are its parameters."""


def values(selector: Selector, ids: Sequence[str] | None = None) -> dict[str, object]:
    """What the condition compares with; of the selector's ids only those that are given here."""
    return {
        "tenant": None if selector.tenant == ALL_TENANTS else selector.tenant,
        "ids": None if ids is None else as_json(ids),
        "tags": as_json(selector.tags) if selector.tags else None,
        "scope": selector.scope,
        "model": selector.model,
        "namespace": selector.namespace,
        "principal": selector.principal,
        "older_than": selector.older_than,
    }


def as_json(words: Sequence[str]) -> str:
    """As the columns have lists."""
    return orjson.dumps(words).decode()
