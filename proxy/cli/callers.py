"""Options that say for which caller a command acts, as the official SDKs say it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from proxy.config import Config

ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        envvar="OPENAI_API_KEY",
        show_envvar=True,
        help="The caller's key.",
    ),
]
Organization = Annotated[
    str | None,
    typer.Option(
        "--organization",
        metavar="ID",
        envvar="OPENAI_ORG_ID",
        help="The caller's organization, if it sends one.",
    ),
]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="ID",
        envvar="OPENAI_PROJECT_ID",
        help="The caller's project, if it sends one.",
    ),
]

ANTHROPIC_PATH = "/v1/messages"


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """Who asks. It is never printed.

    Attributes:
        key: The API key; None of a caller who has none.
        organization, project: Which of the key's accounts.
    """

    key: str | None = None
    organization: str | None = None
    project: str | None = None

    def headers(self, path: str) -> dict[str, str]:
        """What the official SDK for this path sends."""
        if path.partition("?")[0].endswith(ANTHROPIC_PATH):
            return {} if self.key is None else {"x-api-key": self.key}
        told = {
            "authorization": None if self.key is None else f"Bearer {self.key}",
            "openai-organization": self.organization,
            "openai-project": self.project,
        }
        return {name: value for name, value in told.items() if value}

    def tenant(self, path: str, config: "Config") -> str:
        """The digest by which a proxy with this configuration knows this caller.

        Raises:
            UnauthorizedError: It would not let him in.
        """
        from proxy.parts import rules  # noqa: PLC0415 - slow to import
        from proxy.web import callers  # noqa: PLC0415 - slow to import

        headers = self.headers(path)
        return callers.principal(headers, config, rules.keys(config).holder(headers))
