"""The admin API: who may use it, and what it shows."""

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from proxy.config.section import Section

LEAST_CHARS = 16
"""Of a token: one that is shorter can be guessed."""

_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a bearer token is made of (RFC 6750, 2.1)."""


def _token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if len(text) < LEAST_CHARS:
        raise ValueError(f"must have at least {LEAST_CHARS} characters")
    if _BEARER.fullmatch(text) is None:
        raise ValueError("must be of letters, digits and any of . _ ~ + / -")
    return token


class Admin(Section):
    """The admin API under `/admin/v1/`, for operators and their tools."""

    token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    """Bearer token of the admin API and the dashboard, at least 16 characters; null leaves both
    switched off.
    """

    show_questions: bool = False
    """Show the text of cached questions in lists of entries. It is what callers wrote."""

    allow_export: bool = False
    """Allow `reprise export`: whoever has the token gets all cached questions and answers."""
