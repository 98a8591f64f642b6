"""Whose fault it is, and which status says so.

Every error a caller can see is one of these. `ApiError` renders OpenAI's error object, and
Anthropic's, so that an SDK raises the class its user already handles. Errors of libraries are
mapped here at the seam where they appear; nothing above an adapter catches an aiohttp, sqlite3 or
redis error.
"""

from typing import Any, ClassVar


def described(error: BaseException) -> str:
    """An error's class and where it was raised, for a log: its text may quote a prompt."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return type(error).__name__
    file = last.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f"{type(error).__name__} at {file}:{last.tb_lineno}"


class RepriseError(Exception):
    """Anything this program raises on purpose."""


class ConfigError(RepriseError):
    """The operator's fault: a configuration that cannot be used. One line a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TierError(RepriseError):
    """A cache part failed. To a request it means "nothing found", never an error."""


class BusyError(TierError):
    """A part is well, and has more to do than it could answer in time: it has not even begun."""


class UnfitServerError(TierError):
    """A server answers, and cannot do what is configured: trying again changes nothing."""


class ApiError(RepriseError):
    """An answer of our own making.

    Args:
        message: What is wrong and with which value, for a person.
        param: The request field at fault, such as `messages[0].content`, if one is.
        code: A stable word for programs.
        headers: Extra response headers.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The error object OpenAI's API documents."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def anthropic_body(self, request_id: str) -> dict[str, Any]:
        """The error object Anthropic's API documents."""
        kind = _ANTHROPIC_KINDS.get(self.status, "api_error")
        error = {"type": kind, "message": self.message}
        return {"type": "error", "error": error, "request_id": request_id}


_ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


class BadRequestError(ApiError):
    """The caller's fault: the request cannot be read."""

    status = 400
    kind = "invalid_request_error"


class UnauthorizedError(ApiError):
    """The caller's fault: no credential, or not the one that is asked for."""

    status = 401
    kind = "invalid_request_error"


class ForbiddenError(ApiError):
    """The operator's wish: the configuration does not allow this."""

    status = 403
    kind = "invalid_request_error"


class NotFoundError(ApiError):
    """The caller's fault: nothing is at this path."""

    status = 404
    kind = "invalid_request_error"


class NotAllowedError(ApiError):
    """The caller's fault: not with this method."""

    status = 405
    kind = "invalid_request_error"


class TooLargeError(ApiError):
    """The caller's fault: the body is over the configured limit."""

    status = 413
    kind = "invalid_request_error"


class TooSlowError(ApiError):
    """The caller's fault: the request took too long to come."""

    status = 408
    kind = "invalid_request_error"


class TooLongError(ApiError):
    """The caller's fault: the URL is over the configured limit."""

    status = 414
    kind = "invalid_request_error"


class HeadersTooLargeError(ApiError):
    """The caller's fault: a header is over the configured limit, or there are too many."""

    status = 431
    kind = "invalid_request_error"


class RateLimitedError(ApiError):
    """The caller's fault: more requests than the configuration allows him."""

    status = 429
    kind = "requests"


class OverloadedError(ApiError):
    """Our fault, for a while: more requests are under way than the configuration allows at all."""

    status = 503


class UnreachableError(ApiError):
    """The origin's fault: no connection, or one that broke before an answer."""

    status = 502
    kind = "upstream_error"


class UnavailableError(ApiError):
    """Our fault, for a while: a part of the cache that this request needs is not there."""

    status = 503


class UpstreamTimeoutError(ApiError):
    """The origin's fault: no answer in time."""

    status = 504
    kind = "upstream_error"


class NotCachedError(ApiError):
    """The caller asked for a cached answer only (RFC 9111, 5.2.1.7), and there is none."""

    status = 504
    kind = "invalid_request_error"


class BrokenStreamError(RepriseError):
    """The origin's stream ended without its proper end; what was sent must look broken too."""
