"""Who may reach Redis, and whom the proxy takes for Redis: logins, certificates, names."""

from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.errors import TierError
from proxy.tiers.entrycodec import EntryCodec
from proxy.tiers.keyring import Key, Keyring
from proxy.tiers.redis import RedisTier
from proxy.tiers.rediscatalogue import RedisCatalogue
from proxy.tiers.redisclient import Access, Tls
from proxy.tiers.redisleases import RedisLeases
from proxy.tiers.redislink import RedisLink
from proxy.tiers.redisnews import RedisLogWatch, RedisNews
from proxy.tiers.redispresence import RedisPresence
from proxy.tiers.redissealing import RedisSealing
from tests.core.test_presence import REPLICA
from tests.support.origin import ScriptedOrigin
from tests.support.ports import Heard
from tests.support.program import Serving, chat
from tests.support.servers import RedisServer
from tests.support.tls import Authority, tls_before
from tests.tiers.builders import Events, FakeClock, Fold, entry, redis_tier

RULES = "~reprise:* &reprise:* +@read +@write +@scripting +@connection +@pubsub +time -@dangerous"
"""What the documentation says a user needs."""

KEYS = Keyring([Key("k1", b"1" * 32)])
DOCS = Path(__file__).parents[2] / "docs"

Make = Callable[..., RedisTier]


@pytest.fixture
def make(clock: FakeClock, events: Events) -> Make:
    """Builds tiers, not started."""

    def build(url: str, access: Access = Access()) -> RedisTier:  # noqa: B008 - it is frozen
        return redis_tier(url, clock, events, "reprise", timeout_s=1, access=access)

    return build


@pytest.fixture
def guarded(own_server: RedisServer) -> RedisServer:
    """A server that lets in `alice`, who may do what the documentation says, and nobody else."""
    own_server.kill()
    alice = ["--user", "alice", "on", ">p@ss/word", *RULES.split()]
    own_server.start("--user", "default", "off", *alice)
    return own_server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


async def _works(tier: RedisTier, clock: FakeClock) -> None:
    made = entry("q", clock)
    await tier.start()
    await tier.put(made)
    reader = Fold(tier)
    await reader.catch_up()

    assert await tier.get(made.scope, made.id) == made
    assert reader.ids == {made.id}
    assert await tier.expire(clock()) == 0
    assert await tier.purge(Selector(ALL_TENANTS, everything=True)) == [made.id]

    await tier.close()


async def _refused(tier: RedisTier, reason: str) -> None:
    for _ in range(2):
        with pytest.raises(TierError, match=reason):
            await tier.start()
    await tier.close()


# Logins.


async def test_a_user_with_few_rights(guarded: RedisServer, make: Make, clock: FakeClock) -> None:
    """The rules of the documentation are enough for all that the tier and its list do."""
    url = f"redis://alice:p%40ss%2Fword@127.0.0.1:{guarded.port}/0"
    await _works(make(url), clock)
    link, made = RedisLink(url), entry("q", clock)
    tier = RedisTier(link, prefix="reprise", clock=clock, on_event=Events())
    catalogue = RedisCatalogue(link, prefix="reprise", clock=clock)
    await tier.start()
    await tier.put(made)
    page = await catalogue.page(Selector(ALL_TENANTS, everything=True), None, 5)

    assert page is not None
    assert [one.id for one in page.items] == [made.id]
    assert await catalogue.find(made.id) is not None
    assert await catalogue.count() == 1

    await tier.close()


async def test_few_rights_are_enough_for_what_is_sealed(
    guarded: RedisServer, clock: FakeClock, events: Events
) -> None:
    """A tenant's salt is made, found, deleted and made anew."""
    link, ring = RedisLink(f"redis://alice:p%40ss%2Fword@127.0.0.1:{guarded.port}/0"), KEYS
    sealing = RedisSealing(link, "reprise", EntryCodec(ring))
    tier = RedisTier(link, prefix="reprise", clock=clock, on_event=events, sealing=sealing)
    await tier.start()
    await tier.put(entry("other", clock))
    await tier.purge(Selector("acme", everything=True))
    await _works(tier, clock)

    assert events.names == []


@pytest.mark.parametrize("page", ["redis.md", "security.md"])
def test_the_rights_are_those_of_the_documentation(page: str) -> None:
    """What an operator copies from a page is what these tests had."""
    assert f"on >password {RULES}\n" in (DOCS / page).read_text()


async def test_a_user_with_few_rights_is_seen(guarded: RedisServer, clock: FakeClock) -> None:
    """They are enough to announce a process, too."""
    link = RedisLink(f"redis://alice:p%40ss%2Fword@127.0.0.1:{guarded.port}/0")
    presence = RedisPresence(link, prefix="reprise", clock=clock)
    await link.start()
    await presence.announce(REPLICA, 60)
    listed = [one.id for one in await presence.present()]
    await presence.withdraw(REPLICA.id)

    assert listed == [REPLICA.id]
    assert list(await presence.present()) == []

    await link.close()


async def test_a_user_who_may_not_publish(
    own_server: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Loses the messages alone: entries, log and leases work, and it is said what is missing."""
    own_server.kill()
    rules = RULES.replace("&reprise:*", "resetchannels").split()
    own_server.start("--user", "alice", "on", ">secret", *rules)
    heard = Heard()
    link = RedisLink(f"redis://alice:secret@127.0.0.1:{own_server.port}/0")
    news = RedisNews(link, prefix="reprise", observer=heard)
    tier = RedisTier(link, prefix="reprise", clock=clock, on_event=events)
    leases = RedisLeases(tier, link, news, prefix="reprise")
    await tier.start()
    lease = await leases.take("key", 0.2)
    assert lease is not None

    assert not await leases.wait("key", 9)  # it is not told, and looks when the lease has lapsed
    assert not await RedisLogWatch(news).wait(0.01)

    await leases.release(lease)
    await _works(tier, clock)

    assert "channel" in str(heard.events[0])
    assert heard.names == ["redis_news_lost"]


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ("alice:wrong@", "redis: invalid username-password pair or user is disabled"),
        ("bob:p%40ss%2Fword@", "redis: invalid username-password pair or user is disabled"),
        ("", "redis: Authentication required"),
    ],
)
async def test_a_refused_login(guarded: RedisServer, make: Make, login: str, reason: str) -> None:
    """Is a TierError in Redis's own words, without the password."""
    await _refused(make(f"redis://{login}127.0.0.1:{guarded.port}/0"), reason)


async def test_a_user_without_rights_to_the_keys(
    guarded: RedisServer, clock: FakeClock, events: Events
) -> None:
    """Another prefix than the user's is a TierError, in Redis's own words."""
    url = f"redis://alice:p%40ss%2Fword@127.0.0.1:{guarded.port}/0"
    tier = redis_tier(url, clock, events, "other")
    with pytest.raises(TierError, match=r"redis: .*permissions to access"):
        await tier.start()
    with pytest.raises(TierError, match=r"redis: .*permissions to access"):
        await tier.get("s", "k")
    await tier.close()


async def test_a_refused_login_costs_hits_only(
    serving: Serving, guarded: RedisServer, origin: ScriptedOrigin
) -> None:
    """Callers are answered, and `/readyz` says why the tier is not in use."""
    shared = {"url": f"redis://alice:hunter2@127.0.0.1:{guarded.port}/0"}
    async with serving(cache={"shared": shared}) as proxy:
        got = [await proxy.post(chat(f"Question {number}?")) for number in range(3)]
        told = await proxy.get("/readyz")

    assert {answer.status for answer in got} == {200}
    assert (told.status, told.json["status"]) == (200, "degraded")
    assert "invalid username-password pair" in told.json["parts"]["shared"]
    assert "hunter2" not in told.json["parts"]["shared"]
    assert origin.calls == 3


async def test_options_of_a_plain_url(redis_server: RedisServer, make: Make) -> None:
    """What redis-py reads from a URL wins over the proxy's own settings."""
    tier = make(f"{redis_server.url}?client_name=mine&max_connections=3&socket_timeout=5")
    await tier.start()
    async with Redis.from_url(redis_server.url) as raw:
        names = [found["name"] for found in await raw.client_list()]
    await tier.close()

    assert "mine" in names


async def test_connections_have_a_name(redis_server: RedisServer, make: Make) -> None:
    """`CLIENT LIST` shows an operator whose they are."""
    tier = make(redis_server.url, Access(client_name="proxy-7"))
    await tier.start()
    async with Redis.from_url(redis_server.url) as raw:
        names = [found["name"] for found in await raw.client_list()]
    await tier.close()

    assert "proxy-7" in names


# TLS.


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_tls(
    redis_server: RedisServer, authority: Authority, make: Make, clock: FakeClock, host: str
) -> None:
    """`rediss://` and the authority's file are all it takes, with a host name or an address."""
    access = Access(Tls(ca=authority.file))
    async with tls_before(redis_server.port, authority.issue(host)) as port:
        await _works(make(f"rediss://{host}:{port}/0", access), clock)


async def test_tls_with_a_certificate_of_the_proxys_own(
    redis_server: RedisServer, authority: Authority, make: Make, clock: FakeClock
) -> None:
    """A server that asks for one lets in who has one, and nobody else."""
    server, caller = authority.issue("localhost"), authority.issue("proxy")
    known = Access(Tls(authority.file, caller.certificate, caller.key))
    stranger = Access(Tls(authority.file))
    async with tls_before(redis_server.port, server, callers=authority) as port:
        await _works(make(f"rediss://localhost:{port}/0", known), clock)
        await _refused(make(f"rediss://localhost:{port}/0", stranger), "redis: ")


@pytest.mark.parametrize("ca", ["another's", "the system's"])
async def test_a_server_nobody_vouches_for(
    redis_server: RedisServer, authority: Authority, make: Make, tmp_path: Path, ca: str
) -> None:
    """Is not talked to, and the reason says that its certificate is to blame."""
    other = Authority(tmp_path / "other")
    access = Access(Tls(ca=other.file if ca == "another's" else None))
    async with tls_before(redis_server.port, authority.issue("localhost")) as port:
        url = f"rediss://localhost:{port}/0"
        await _refused(make(url, access), "redis: .*certificate verify failed")


async def test_a_server_of_another_name(
    redis_server: RedisServer, authority: Authority, make: Make, clock: FakeClock
) -> None:
    """Is not talked to, and the reason has the name; `check_hostname: false` lets it pass."""
    strict, lenient = (
        Access(Tls(authority.file, check_hostname=is_checked)) for is_checked in (True, False)
    )
    async with tls_before(redis_server.port, authority.issue("redis.example")) as port:
        url = f"rediss://localhost:{port}/0"
        await _refused(make(url, strict), "certificate is not valid for 'localhost'")
        await _works(make(url, lenient), clock)


async def test_options_of_a_tls_url(
    redis_server: RedisServer, authority: Authority, make: Make, clock: FakeClock
) -> None:
    """TLS options that redis-py reads from a URL hold as well."""
    async with tls_before(redis_server.port, authority.issue("localhost")) as port:
        url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority.file}"
        await _works(make(url), clock)


async def test_a_file_that_cannot_be_used(authority: Authority, make: Make, tmp_path: Path) -> None:
    """Is named by the reason."""
    caller = authority.issue("proxy")
    missing = tmp_path / "missing.pem"
    await _refused(make("rediss://localhost", Access(Tls(ca=missing))), "missing.pem")
    swapped = Tls(authority.file, caller.key, caller.certificate)
    await _refused(make("rediss://localhost", Access(swapped)), "proxy.key")


async def test_a_server_that_speaks_no_tls(
    redis_server: RedisServer, authority: Authority, make: Make
) -> None:
    """Is a TierError."""
    url = f"rediss://127.0.0.1:{redis_server.port}/0"
    await _refused(make(url, Access(Tls(ca=authority.file))), "redis: ")
