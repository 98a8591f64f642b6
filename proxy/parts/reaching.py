"""Builds the way to a Redis, as configured: one to the entries, and one to the index."""

from proxy.config.section import SecretUrl
from proxy.config.shared import SharedTier, Tls
from proxy.tiers import redisclient
from proxy.tiers.redislink import RedisLink


def link(chosen: SharedTier, url: SecretUrl, tls: Tls) -> RedisLink:
    """A link that has not connected.

    Args:
        chosen: Time-outs, bounds, names, and what sentinels ask for.
        url: Which Redis.
        tls: How it is reached over TLS.
    """
    password = chosen.sentinel_password
    return RedisLink(
        url.get_secret_value(),
        timeout_s=chosen.timeout_ms / 1000,
        max_connections=chosen.max_connections,
        access=redisclient.Access(
            redisclient.Tls(**tls.model_dump()),
            chosen.sentinel_user,
            password.get_secret_value() if password else None,
            chosen.client_name,
        ),
    )
