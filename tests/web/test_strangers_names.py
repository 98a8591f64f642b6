"""Names that callers choose: models, namespaces, sessions, credentials."""

from tests.support.program import Serving, chat

MOST = 20


async def test_names_that_callers_choose_are_kept_in_bounds(serving: Serving) -> None:
    """Whoever makes up names without end adds no series to the metrics, and fills no tier."""
    async with serving(
        cache={"session": {"max_entries": MOST}}, limits={"requests_per_minute": 100}
    ) as proxy:

        async def ask(first: int, last: int) -> int:
            """The number of series after those questions, each of somebody else."""
            for number in range(first, last):
                names = {"x_cache_namespace": f"n-{number}", "x_session_id": f"s-{number}"}
                body = chat(f"What is {number}?", model=f"model-{number}")
                await proxy.post(body, f"sk-{number}", **names)
            return len((await proxy.get("/metrics")).body.splitlines())

        before = await ask(0, 30)
        after = await ask(30, 150)
        metrics = (await proxy.get("/metrics")).body.decode()

    assert after == before
    assert f'reprise_tier_entries{{tier="session"}} {MOST}.0' in metrics
