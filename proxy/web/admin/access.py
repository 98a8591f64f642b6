"""Who may use the admin API: whoever has its bearer token, and nobody by any other key."""

from hmac import compare_digest
from typing import Final

from aiohttp import web

from proxy.config import Config
from proxy.core.model import digest
from proxy.errors import NotFoundError, UnauthorizedError

REALM: Final = 'Bearer realm="reprise admin"'
"""What a 401 says is wanted (RFC 6750, 3)."""


def admitted(request: web.Request, config: Config) -> str:
    """Who it is: a digest of the token, for the log.

    Raises:
        NotFoundError: The API is switched off.
        UnauthorizedError: There is no token, or a wrong one.
    """
    if config.admin.token is None:
        raise NotFoundError(
            "The admin API is switched off: admin.token is not set.", code="admin_is_off"
        )
    expected = config.admin.token.get_secret_value().encode()
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError(
            "Give the admin token: `authorization: Bearer ...`.",
            code="missing_admin_token",
            headers={"www-authenticate": REALM},
        )
    if not compare_digest(given.strip().encode(errors="surrogateescape"), expected):
        raise UnauthorizedError(
            "This is not the admin token.",
            code="invalid_admin_token",
            headers={"www-authenticate": f'{REALM}, error="invalid_token"'},
        )
    return digest(b"admin", expected)
