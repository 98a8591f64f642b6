"""Whom an invalidation means; what tiers and flights make of it is in their own tests."""

import numpy as np
import pytest

from proxy.core.changes import ALL_TENANTS, Likeness, Selector, Traits
from proxy.core.model import Vector

AXIS = np.asarray([1, 0], np.float32)
LIKE = Likeness(AXIS, 0.9, "embedder/2")


@pytest.mark.parametrize(
    ("vector", "embedder", "is_meant"),
    [
        (AXIS, "embedder/2", True),
        (np.asarray([0.95, 0.3122], np.float32), "embedder/2", True),
        (np.asarray([0.8, 0.6], np.float32), "embedder/2", False),
        (AXIS, "another/2", False),
        (None, "embedder/2", False),
        (np.asarray([1, 0, 0], np.float32), "embedder/2", False),
    ],
)
def test_what_is_like_a_text(vector: Vector | None, embedder: str, is_meant: bool) -> None:
    """Only a vector of the same embedder can be near, and none, however odd, is an error."""
    one = Traits("id", "scope", "acme", "", "gpt", 0.0, vector=vector, embedder=embedder)

    assert Selector(ALL_TENANTS, like=LIKE).matches(one) == is_meant
