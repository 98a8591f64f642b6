"""`reprise export` and `import`, as a person runs them against a running proxy."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from proxy.cli.callers import Credential
from proxy.cli.export import Sink
from proxy.cli.importing import as_chat
from proxy.config import Config
from proxy.core.credentials import digest_of
from proxy.core.entrylines import begin, end
from proxy.resilience import Deadline
from tests.cli.test_check import run
from tests.support.program import KEY, Json, Served, Serving, chat
from tests.support.waiting import PATIENCE_S

TOKEN = "operators-token-of-32-characters"
Ended = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Operator:
    """Somebody with the token, at a shell; and the proxy."""

    proxy: Served
    file: Path

    async def run(self, *arguments: str, **environ: str) -> Ended:
        known = {"ADMIN_TOKEN": TOKEN, "REPRISE_URL": self.proxy.root, **environ}
        return await asyncio.to_thread(run, *arguments, **known)

    async def ask(self, text: str, **headers: Any) -> None:
        await self.proxy.post(chat(text), **headers)
        await self.proxy.runtime.store.idle(Deadline(PATIENCE_S))

    def written(self, *lines: Json) -> str:
        self.file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return str(self.file)

    def files(self) -> list[str]:
        """What is there under the export's name, or one that was to become it."""
        return [path.name for path in self.file.parent.glob(f"*{self.file.name}*")]

    def questions(self) -> list[str]:
        """Of the exported file, which is whole."""
        _, *entries, last = map(json.loads, self.file.read_text().splitlines())
        assert last == {"object": "cache.export.end", "entries": len(entries)}
        return sorted(entry["question"] for entry in entries)


@pytest.fixture
async def operator(serving: Serving, tmp_path: Path) -> AsyncIterator[Operator]:
    async with serving(admin={"token": TOKEN, "allow_export": True}) as proxy:
        yield Operator(proxy, tmp_path / "entries.jsonl")


async def test_a_backup_and_its_return(operator: Operator) -> None:
    """A file for the operator alone; after a purge all of it is back, and again is harmless."""
    await operator.ask("One?", x_cache_tags="faq")
    await operator.ask("Two?")
    name = str(operator.file)
    saved = await operator.run("export", name)
    assert (saved.returncode, saved.stderr) == (0, "")
    assert saved.stdout.startswith("2 entries, ")
    assert operator.questions() == ["One?", "Two?"]
    assert operator.file.stat().st_mode & 0o777 == 0o600
    assert operator.files() == [operator.file.name]

    await operator.run("purge", "--everything", "--yes")
    assert (await operator.proxy.post(chat("One?"), cache_control="only-if-cached")).status == 504
    back = await operator.run("import", name)
    assert (back.returncode, back.stderr, back.stdout) == (0, "", "2 imported\n")
    assert (await operator.proxy.post(chat("One?"), cache_control="only-if-cached")).cache == "HIT"
    again = json.loads((await operator.run("import", name, "--json")).stdout)
    assert (again["imported"], again["skipped"]["newer_here"]) == (0, 2)


async def test_a_part_to_the_standard_output(operator: Operator) -> None:
    """The lines go there, and what is said of them does not."""
    await operator.ask("One?", x_cache_tags="faq")
    await operator.ask("Two?")
    ended = await operator.run("export", "--tag", "faq")
    told = await operator.run("export", str(operator.file), "--tag", "none", "--json")
    nowhere = await operator.run("export", "--json")

    assert ended.returncode == 0
    assert [json.loads(line)["object"] for line in ended.stdout.splitlines()] == [
        "cache.export",
        "entry",
        "cache.export.end",
    ]
    assert ended.stderr.startswith("1 entry, ")
    assert json.loads(told.stdout)["entries"] == 0
    assert (nowhere.returncode, nowhere.stdout) == (2, "")


async def test_what_cannot_be_done(serving: Serving, tmp_path: Path) -> None:
    """It is said what to mend, and no file is left behind."""
    file = tmp_path / "entries.jsonl"
    async with serving(admin={"token": TOKEN}) as proxy:
        operator = Operator(proxy, file)
        closed = await operator.run("export", str(file))
        stranger = await operator.run("export", str(file), ADMIN_TOKEN="another-token-of-32-chars")
        away = await operator.run("export", str(file), REPRISE_URL="http://127.0.0.1:1")
        nowhere = await operator.run("export", str(tmp_path / "no" / "such"))
        missing = await operator.run("import", str(file))
        mixed = await operator.run("import", str(file), "--tenant", "abc")

    codes = [one.returncode for one in (closed, stranger, away, nowhere, missing, mixed)]
    assert codes == [2, 2, 1, 2, 2, 2]
    assert "admin.allow_export" in closed.stderr
    assert "cannot be reached" in away.stderr or "does not answer" in away.stderr
    assert Operator(proxy, file).files() == []


async def test_past_chats(operator: Operator) -> None:
    """The caller whose key is given finds them; bad lines are named; the key is told to nobody."""
    message = {"role": "assistant", "content": "Because."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    response = {
        "object": "chat.completion",
        "id": "c",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    name = operator.written(
        {"request": chat("Why?"), "response": response},
        {"request": chat("What happens today?"), "response": response},
        {"request": chat("When?")},
    )
    ended = await operator.run("import", name, "--chats", OPENAI_API_KEY=KEY)
    found = await operator.proxy.post(chat("Why?"))

    assert ended.returncode == 1
    assert ended.stdout.splitlines() == [
        "1 imported",
        "1 kept out: asks about today",
        "1 no good",
    ]
    assert ended.stderr == "line 3: response: Field required\n"
    assert (found.cache, found.text) == ("HIT", "Because.")
    assert KEY not in operator.proxy.log.getvalue()


def test_whose_a_chat_is() -> None:
    """The digest is that of what the official SDK of the line's API would send."""
    caller = Credential("sk-a", "org-1")
    told = [
        json.loads(as_chat(line, caller=caller, config=Config(), tenant=None))
        for line in (b'{"a": 1}', b'{"path": "/v1/messages"}')
    ]
    named = json.loads(as_chat(b'{"a": 1}', caller=caller, config=Config(), tenant="abc"))
    nobody = json.loads(as_chat(b'{"a": 1}', caller=Credential(), config=Config(), tenant=None))

    sent = {"authorization": "Bearer sk-a", "openai-organization": "org-1"}
    assert told[0] == {"object": "chat", "tenant": digest_of(sent), "a": 1}
    assert told[1]["tenant"] == digest_of({"x-api-key": "sk-a"})
    assert (named["tenant"], "tenant" in nobody) == ("abc", False)
    assert as_chat(b"no JSON\n", caller=caller, config=Config(), tenant=None) == b"no JSON\n"
    assert "sk-a" not in repr(caller)


@pytest.mark.parametrize("lines", [b"", begin(), begin() + end(0)[:-10], b"<html>"])
def test_an_export_that_was_cut_short_is_no_backup(lines: bytes) -> None:
    """Without its last line the command fails, and the file does not get its name."""
    seen: list[bytes] = []
    sink = Sink(seen.append, lambda _, __: None)
    sink.take(lines)

    assert b"".join(seen) == lines
    with pytest.raises(typer.Exit):
        sink.close()
