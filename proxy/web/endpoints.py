"""The cached endpoints behind a path prefix: which one a path means, and which deployment.

Behind `/azure`, for one, `/openai/deployments/NAME/chat/completions` is what Azure's clients ask,
with the deployment in the path where others name a model in the body.
"""

import re
from collections.abc import Iterable
from typing import Final

from proxy.core.dialects.base import Dialect
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.responses import Responses
from proxy.core.routing import API_ROOT

DIALECTS: Final[dict[str, Dialect]] = {
    dialect.path: dialect for dialect in (Chat(), Responses(), Completions(), Messages())
}
"""Who reads what is asked for one answer, by the endpoint's path."""

_ROOTS = re.compile(r"(?:/openai)?(?:/v1|/v1beta/openai|/deployments/(?P<deployment>[^/]+))?")
"""What may stand before an endpoint's own path: some provider's root."""


def endpoint_at(path: str, endpoints: Iterable[str]) -> str | None:
    """Which of these endpoints a path, below a prefix, is; None when it is none of them."""
    plain = path.partition("?")[0]
    for endpoint in endpoints:
        root, found, rest = plain.rpartition(endpoint.removeprefix(API_ROOT))
        if found and not rest and _ROOTS.fullmatch(root):
            return endpoint
    return None


def deployment(path: str) -> str | None:
    """The deployment that an Azure path names."""
    found = re.match(r"(?:/openai)?/deployments/([^/?]+)/", path)
    return found[1] if found else None
