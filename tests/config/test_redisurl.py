"""The URL of a Redis under Sentinel."""

import pytest

from proxy.config.redisurl import SentinelUrl, sentinel_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis+sentinel://h/main", SentinelUrl((("h", 26379),), "main", 0, None, None)),
        (
            "rediss+sentinel://a:b%40@h:1,[::1]:2,10.0.0.1/my-master/3",
            SentinelUrl((("h", 1), ("::1", 2), ("10.0.0.1", 26379)), "my-master", 3, "a", "b@"),
        ),
        ("redis+sentinel://:b@c@h:1/m/", SentinelUrl((("h", 1),), "m", 0, None, "b@c")),
    ],
)
def test_its_parts(url: str, parts: SentinelUrl) -> None:
    """Several hosts, a port where none is given, and a login with anything in it."""
    assert sentinel_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://",
        "redis+sentinel://h",
        "redis+sentinel://h,/m",
        "redis+sentinel://h:x/m",
        "redis+sentinel://::1/m",
        "redis+sentinel://h/m/0/1",
        "redis+sentinel://h/m?password=hunter2",
        "redis+sentinel://:hunter2@/m",
    ],
)
def test_what_is_none(url: str) -> None:
    """Is refused without being quoted."""
    with pytest.raises(ValueError, match="must be redis") as refused:
        sentinel_url(url)

    assert "hunter2" not in str(refused.value)
