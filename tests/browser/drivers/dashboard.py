"""Does what an operator does with the dashboard, and ends with status 1 when something is wrong.

    python dashboard.py ROOT TOKEN CHROMIUM IMAGES SECONDS PID

ROOT is a running proxy's address, which callers use meanwhile; PID is its process, which is ended
at last, to see what the page says then.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from relay import Relay

WIDTHS = {1280: 900, 400: 860}
HEIGHTS = {1280: 2430, 400: 2300}  # of screenshots
FIRST_SCREEN = 705
THEMES = ("light", "dark")
ONCE = "How do I rename a workspace?"
OTHER_ONCE = "How long are audit logs kept?"
TRAP = "How do I export 30 invoices as PDF?"
PATIENCE_MS = 20_000


class Operator:
    """Somebody at the page.

    Args:
        page: A page of a browser.
        root: The proxy's address.
        token: The admin token.
    """

    def __init__(self, page: Page, root: str, token: str) -> None:
        self.page, self.token = page, token
        self.relay = Relay(int(root.rpartition(":")[2]))
        self.root = f"http://127.0.0.1:{self.relay.port}"
        self.errors: list[str] = []
        self.urls: set[str] = set()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda one: self.urls.add(one.url))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def sign_in(self) -> None:
        """Open the page and give the token."""
        self.page.goto(f"{self.root}/dashboard")
        self.page.get_by_label("Admin token").fill(self.token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="Overview")).to_be_visible()

    def section(self, name: str):
        """A section of the page, by its title."""
        return self.page.get_by_role("region", name=name, exact=True)


def refused(operator: Operator) -> None:
    """A wrong token is said to be wrong; an absent proxy to be away."""
    page = operator.page
    page.goto(f"{operator.root}/dashboard")
    page.get_by_label("Admin token").fill("not-the-token-but-long-enough")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_have_text("This is not the admin token.")
    operator.relay.cut()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("The proxy does not answer.")


def numbers_move(operator: Operator) -> None:
    """Totals grow and requests appear while there is traffic."""
    page = operator.page
    expect(page.locator("#connection")).to_have_text("Live")
    before = page.locator("#hit-ratio-of").inner_text()
    first = page.locator("#requests-table tbody tr").first
    newest = first.inner_text()
    expect(page.locator("#hit-ratio-of")).not_to_have_text(before)
    expect(page.locator("#hit-ratio")).to_have_text(re.compile(r"^\d+(\.\d)? %$"))
    expect(page.locator("#rate")).to_have_text(re.compile(r"^(?!0\.0$)[\d.]+$"))
    expect(page.locator("#saved-usd")).to_have_text(re.compile(r"^\$0\.\d+$"))
    expect(first).not_to_have_text(newest)


def charts_speak(operator: Operator) -> None:
    """Each chart says in words what it draws, and has a table of its figures."""
    charts = operator.page.locator(".chart")
    expect(charts).to_have_count(4)
    for at in range(4):
        chart = charts.nth(at)
        expect(chart.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"\d"))
        chart.get_by_text("As a table").click()
        expect(chart.locator("tbody tr").first).to_be_visible()
        chart.get_by_text("As a table").click()


def slider_tells(operator: Operator) -> None:
    """Another threshold's effect is told in words; a key moves it."""
    page = operator.page
    slider = page.get_by_label("Least similarity", exact=True)
    said = page.locator("#similarity-change")
    expect(said).to_contain_text("is in force")
    slider.focus()
    for _ in range(20):
        page.keyboard.press("PageUp")
    expect(said).to_have_text(re.compile(r"At [01]\.\d+: .*fewer hit"))
    assert slider.evaluate(
        "one => one.ariaValueText === document.getElementById('similarity-change').textContent"
    )
    expect(page.locator("#similarity-key")).to_contain_text("cache.vector.floor")


def requests_are_held_and_filtered(operator: Operator) -> None:
    """The list can be held still and narrowed."""
    section = operator.section("Requests")
    section.get_by_role("button", name="Pause").click()
    expect(section.locator("#requests-said")).to_contain_text("waiting")
    section.get_by_label("Result").select_option("MISS")
    expect(section.locator("tbody tr").first).to_contain_text("MISS")
    expect(section.locator("tbody .tag-HIT")).to_have_count(0)
    section.get_by_label("Containing").fill("no request says this")
    expect(section).to_contain_text("None of the latest requests is like that.")
    section.get_by_label("Containing").fill("")


def a_miss_is_explained(operator: Operator) -> None:
    """From a request of the list to the reason why one like it is not answered."""
    operator.section("Requests").get_by_role("button", name="Explain request").first.click()
    section = operator.section("Explain")
    expect(section.get_by_label("Model")).to_have_value("gpt-4o-mini")
    expect(section.get_by_label("Tenant")).not_to_have_value("")
    section.get_by_label("Namespace").fill("")
    section.get_by_label("Question").fill(TRAP)
    section.get_by_role("button", name="Explain").first.click()
    expect(section).to_contain_text("Not answered from the cache: number")
    expect(section.get_by_role("row").filter(has_text="guards").first).to_contain_text("stops")


def held_still_no_more(operator: Operator) -> None:
    """What came meanwhile is there at once."""
    section = operator.section("Requests")
    section.get_by_label("Result").select_option("")
    section.get_by_role("button", name="Pause").click()
    expect(section.locator("#requests-said")).not_to_contain_text("waiting")


def an_entry_is_found(operator: Operator) -> None:
    """By a text in its question, and by one that is like it; and shown."""
    section, page = operator.section("Entries"), operator.page
    section.get_by_label("Question contains").fill("rename")
    section.get_by_role("button", name="Search").click()
    expect(section.locator("tbody tr")).to_have_count(1)
    expect(section.locator("tbody tr")).to_contain_text(ONCE)
    section.get_by_label("Question contains").fill("")
    section.get_by_label("Question is like").fill("How can I rename a workspace?")
    section.get_by_role("button", name="Search").click()
    expect(section.locator("tbody tr").first).to_contain_text(ONCE)
    expect(section.locator("tbody tr").first).to_contain_text("0.9")
    section.get_by_role("button", name="Show entry").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("another question may find it")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    section.get_by_label("Question is like").fill("")


def an_entry_is_deleted(operator: Operator) -> None:
    """One by one, after being asked."""
    section, page = operator.section("Entries"), operator.page
    section.get_by_label("Question contains").fill("audit logs")
    section.get_by_role("button", name="Search").click()
    expect(section.locator("tbody tr")).to_contain_text(OTHER_ONCE)
    section.get_by_role("button", name="Delete entry").click()
    page.get_by_role("button", name="Delete it").click()
    expect(section.locator("#entries-said")).to_contain_text("is forgotten")
    section.get_by_role("button", name="Search").click()
    expect(section.locator("#entries-said")).to_have_text("There is no such entry.")
    section.get_by_label("Question contains").fill("")


def a_purge_is_counted_and_confirmed(operator: Operator) -> None:
    """Entries are counted, forgotten when that is typed, and gone."""
    section = operator.section("Purge")
    section.get_by_role("button", name="Count").click()
    expect(section.get_by_role("alert")).to_contain_text("Nothing is filled in.")
    section.get_by_label("Tags").fill("once")
    section.get_by_role("button", name="Count").click()
    expect(section).to_contain_text("2 entries would be forgotten: tag once.")
    forget = section.get_by_role("button", name="Forget them")
    expect(forget).to_be_disabled()
    section.get_by_label("Type forget 2 to go on").fill("forget 2")
    forget.click()
    expect(section).to_contain_text("2 entries are forgotten.")
    entries = operator.section("Entries")
    entries.get_by_label("Tag").fill("once")
    entries.get_by_role("button", name="Search").click()
    expect(entries.locator("#entries-said")).to_have_text("There is no such entry.")
    entries.get_by_label("Tag").fill("")
    entries.get_by_role("button", name="Search").click()
    expect(entries.locator("tbody tr").first).to_be_visible()


def operation_is_told(operator: Operator) -> None:
    """Parts, replicas and the last reload, which can be made anew."""
    section = operator.section("Operation")
    expect(section.locator("#parts")).to_contain_text("verifier")
    expect(section.locator("#replicas")).to_contain_text("this one")
    section.get_by_role("button", name="Reload").click()
    expect(section.locator("#reload")).to_contain_text("in force")


def it_comes_back(operator: Operator) -> None:
    """While the network is away the page says so, and it goes on by itself."""
    page = operator.page
    first = page.locator("#requests-table tbody tr").first
    operator.relay.cut()
    expect(page.locator("#connection")).to_have_text("Reconnecting")
    newest = first.inner_text()
    operator.relay.mend()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(first).not_to_have_text(newest)
    expect(page.locator("#trouble")).to_have_text("")
    operator.errors[:] = [one for one in operator.errors if "net::ERR_" not in one]


def keys_suffice(operator: Operator) -> None:
    """Tab goes from one control to the next, and where it is can be seen."""
    page = operator.page
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Tab")
    seen = []
    for _ in range(30):
        told = page.evaluate(
            "() => { const one = document.activeElement, style = getComputedStyle(one);"
            " return [one.tagName, style.outlineStyle, parseFloat(style.outlineWidth)]; }"
        )
        seen.append(told)
        page.keyboard.press("Tab")
    invisible = [one for one in seen if one[0] != "BODY" and (one[1] == "none" or one[2] < 1)]
    assert not invisible, f"focus is not seen on {invisible}"
    assert len({one[0] for one in seen}) >= 4, f"Tab reaches only {seen}"


def nothing_bars_anybody(operator: Operator) -> None:
    """axe-core finds nothing wrong: names, contrast, order, landmarks."""
    found = Axe().run(operator.page)
    told = [
        f"{one['id']}: {one['help']} {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found.response["violations"]
    ]
    assert not told, "\n".join(told)


def fits(operator: Operator) -> None:
    """There is nothing to scroll sideways."""
    over = operator.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert over <= 0, f"the page is {over} pixels too wide"


def away(operator: Operator, pid: int) -> None:
    """A proxy that goes away is said to be, and what was shown stays."""
    os.kill(pid, signal.SIGKILL)
    expect(operator.page.locator("#connection")).to_have_text("Reconnecting")
    expect(operator.page.locator("#hit-ratio")).to_have_text(re.compile("%"))


STEPS: tuple[Callable[[Operator], None], ...] = (
    numbers_move,
    charts_speak,
    slider_tells,
    requests_are_held_and_filtered,
    a_miss_is_explained,
    held_still_no_more,
    an_entry_is_found,
    an_entry_is_deleted,
    a_purge_is_counted_and_confirmed,
    operation_is_told,
    it_comes_back,
    keys_suffice,
    nothing_bars_anybody,
    fits,
)


def done(step: Callable[..., None]) -> None:
    print(f"ok   {step.__name__.replace('_', ' ')}", flush=True)


def picture(browser: Browser, root: str, token: str, folder: Path) -> None:
    """At both widths and in both themes: check what depends on them, and take screenshots."""
    for width, height in WIDTHS.items():
        for theme in THEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme
            )
            context.set_default_timeout(PATIENCE_MS)
            operator = Operator(context.new_page(), root, token)
            operator.sign_in()
            page = operator.page
            page.get_by_label("Charts show").select_option("5")
            expect(page.locator("#connection")).to_have_text("Live")
            expect(page.locator("#ratio-chart canvas")).to_be_visible()
            page.get_by_role("button", name="Search").click()
            expect(page.locator("#entries-table tbody tr").first).to_be_visible()
            page.wait_for_timeout(6_000)  # the rate is measured between two figures
            nothing_bars_anybody(operator)
            fits(operator)
            page.evaluate("() => document.activeElement.blur()")
            page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
            names = {f"dashboard-{width}-{theme}.png": HEIGHTS[width]}
            if (width, theme) == (1280, "light"):
                names["dashboard.png"] = FIRST_SCREEN
            for name, part in names.items():
                clip = {"x": 0, "y": 0, "width": width, "height": part}
                page.screenshot(path=folder / name, full_page=True, clip=clip)
            assert not operator.errors, operator.errors
            context.close()
            print(f"ok   {width} pixels wide, {theme}", flush=True)


def main(root: str, token: str, chromium: str, images: str, seconds: str, pid: str) -> None:
    """Run everything; raises AssertionError at the first thing that is wrong."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        stranger = Operator(browser.new_context().new_page(), root, token)
        refused(stranger)
        done(refused)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        operator = Operator(context.new_page(), root, token)
        operator.sign_in()
        done(operator.sign_in)
        try:
            for step in STEPS:
                step(operator)
                done(step)
        except AssertionError:
            operator.page.screenshot(path=Path(images) / "failed.png", full_page=True)
            raise
        assert not operator.errors, f"the console told: {operator.errors}"
        strangers = [url for url in operator.urls if not url.startswith(f"{operator.root}/")]
        assert not strangers, f"other hosts were asked: {strangers}"
        assert not any(token in url for url in operator.urls), "the token is in an address"
        operator.page.wait_for_timeout(1000 * float(seconds))
        picture(browser, root, token, Path(images))
        away(operator, int(pid))
        done(away)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
