"""The URL of a Redis under Sentinel, and of a cluster."""

import pytest

from proxy.config.redisurl import ClusterUrl, SentinelUrl, check, cluster_url, sentinel_url


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


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("redis+cluster://h", ClusterUrl((("h", 6379),), None, None)),
        (
            "rediss+cluster://a:b%40@h:1,[::1]:2,10.0.0.1/",
            ClusterUrl((("h", 1), ("::1", 2), ("10.0.0.1", 6379)), "a", "b@"),
        ),
        ("REDIS+CLUSTER://:b@c@h:1", ClusterUrl((("h", 1),), None, "b@c")),
    ],
)
def test_the_parts_of_a_clusters(url: str, parts: ClusterUrl) -> None:
    """Some of its nodes, and one login for all."""
    check(url)

    assert cluster_url(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://h,",
        "redis+cluster://h:x",
        "redis+cluster://h:70000",
        "redis+cluster://h/0",
        "redis+cluster://h?password=hunter2",
        "redis+cluster://:hunter2@",
    ],
)
def test_what_is_no_clusters(url: str) -> None:
    """Is refused without being quoted; a database number is one of its mistakes."""
    with pytest.raises(ValueError, match="without a database") as refused:
        check(url)

    assert "hunter2" not in str(refused.value)
