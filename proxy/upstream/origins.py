"""All origins, by name: one to ask for an answer, and one to relay what is not read."""

import time
from collections.abc import Mapping

from proxy.config import Config
from proxy.config.upstream import NamedUpstream, Upstream
from proxy.core.routing import DEFAULT, Route, Routes
from proxy.ports import Observer, Origin
from proxy.upstream.client import HttpOrigin
from proxy.upstream.fallback import Chain, Link
from proxy.upstream.usage import AskedForUsage


class Origins:
    """The configured origins, and which request goes to which.

    Args:
        config: The whole configuration.
        observer: Hears when another origin had to be asked.
    """

    def __init__(self, config: Config, observer: Observer) -> None:
        configured: dict[str, Upstream] = {DEFAULT: config.upstream}
        configured |= {one.name: one for one in config.upstreams}
        self._http = {name: _http(one) for name, one in configured.items()}
        self.is_open = False
        self._observer = observer
        self._configured = configured
        self._rests: dict[str, float] = {}
        raw = {name: origin.raw for name, origin in self._http.items()}
        asked = {name: self._for_usage(name) for name in configured}
        self._asked = {name: self._chain(name, asked) for name in configured}
        self._relayed = {name: self._chain(name, raw) for name in configured}
        self.routes = Routes([_route(one) for one in config.upstreams])

    def _for_usage(self, name: str) -> Origin:
        """An origin, asked for usage where its configuration says so."""
        origin = self._http[name]
        if not self._configured[name].request_usage:
            return origin
        return AskedForUsage(origin, name=name, observer=self._observer)

    def _chain(self, name: str, origins: Mapping[str, Origin]) -> Origin:
        """An origin and who stands in for it; itself alone where nothing else is configured."""
        names = (name, *self._configured[name].fallbacks)
        links = [
            Link(one, origins[one], getattr(self._configured[one], "send_model", None))
            for one in names
        ]
        if len(links) == 1 and links[0].send_model is None:
            return origins[name]
        return Chain(links, self._rests, clock=time.time, observer=self._observer)

    def asked(self, name: str) -> Origin:
        """Who is asked for what the cache reads: bodies come decoded."""
        return self._asked[name]

    def relayed(self, name: str) -> Origin:
        """Who is asked for what it does not read: bodies come as they are."""
        return self._relayed[name]

    def sockets(self, name: str) -> HttpOrigin:
        """Who is asked to open a WebSocket: the origin and nobody else."""
        return self._http[name]

    async def start(self) -> None:
        """Open the pools; no connection is made yet."""
        self.is_open = True
        for origin in self._http.values():
            await origin.start()

    async def close(self) -> None:
        """Close every connection."""
        self.is_open = False
        for origin in self._http.values():
            await origin.close()


def _http(upstream: Upstream) -> HttpOrigin:
    return HttpOrigin(
        upstream.base_url,
        api_key=upstream.api_key.get_secret_value() if upstream.api_key else None,
        api_key_header=upstream.api_key_header,
        connect_timeout_s=upstream.connect_timeout_s,
        first_byte_timeout_s=upstream.first_byte_timeout_s,
        idle_timeout_s=upstream.idle_timeout_s,
        max_connections=upstream.max_connections,
    )


def _route(upstream: NamedUpstream) -> Route:
    return Route(upstream.name, upstream.models, upstream.path_prefix)
