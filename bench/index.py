"""What the index costs as it grows: `python bench/index.py [ENTRIES...] [--vectors FILE]`.

For each number of entries, all in one scope, in a process of its own: memory, the time of a search
alone, while 500 entries a second arrive and after half of all were removed, how many of the nearest
it finds, and the time to fill, save and load it. Questions are made up and embedded with the model
that ships; FILE, a NumPy array of unit vectors of shape (n, dimension), takes their place. More
entries than vectors are made by turning each towards another, to a cosine of 0.70 to 0.97, which is
where rewordings lie. With `--scopes N` the entries are spread over so many, and searches alone are
timed.
"""

import argparse
import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from proxy.core.changes import Added, Changes, Removed
from proxy.embedding.onnx import MINILM, Model
from proxy.modelfolder import Card
from proxy.tiers.faiss import FaissTier

Vectors = npt.NDArray[np.float32]

PAGE: Final = 500
QUERIES: Final = 500
SECONDS: Final = 5
"""Of searches while entries arrive."""
HIT: Final = 0.7
"""Neighbours of less similarity serve nobody, and are not counted as found or missed."""
SAME: Final = 2e-4
"""Similarities that near are of one entry: half precision."""
K: Final = 4


def made_up() -> Vectors:
    """Vectors of a few thousand questions."""
    words = (
        ("How do I", "Can I", "What happens when I", "Where may I", "Why should I", "May my son"),
        ("change", "cancel", "renew", "pay", "find", "insure", "return", "repair", "sell", "share"),
        ("my car", "a loan", "this phone", "the lease", "our passport", "a parcel", "an account"),
        ("abroad", "online", "after a divorce", "without a receipt", "in winter", "as a student"),
    )
    model = Model(MINILM, Card.read(MINILM))
    found = (model.vector(f"{' '.join(parts)}?") for parts in itertools.product(*words))
    return np.array([vector for vector in found if vector is not None], np.float32)


def turned(vectors: Vectors, towards: Vectors, cosines: Vectors) -> Vectors:
    """Unit vectors at these cosines from the first, in the direction of the second."""
    side = towards - np.sum(towards * vectors, axis=1, keepdims=True) * vectors
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    cosine = cosines[:, np.newaxis]
    return np.asarray(cosine * vectors + np.sqrt(1 - cosine**2) * side, np.float32)


class Questions:
    """Any number of vectors, each the same whenever it is asked for."""

    def __init__(self, known: Vectors) -> None:
        self._known = known

    def page(self, first: int, count: int = PAGE) -> Vectors:
        rng = np.random.default_rng(first)
        numbers = np.arange(first, first + count)
        vectors = self._known[numbers % len(self._known)]
        towards = self._known[rng.integers(0, len(self._known), count)]
        cosines = rng.uniform(0.70, 0.97, count).astype(np.float32)
        are_new = (numbers >= len(self._known))[:, np.newaxis]
        return np.where(are_new, turned(vectors, towards, cosines), vectors)

    def asked(self, entries: int) -> Vectors:
        """Rewordings of some entries."""
        rng = np.random.default_rng(7)
        pages = rng.integers(0, max(1, entries // PAGE), QUERIES)
        near = np.concatenate([self.page(int(page) * PAGE, 1) for page in pages])
        towards = self._known[rng.integers(0, len(self._known), QUERIES)]
        return turned(near, towards, rng.uniform(0.80, 0.98, QUERIES).astype(np.float32))


def added(number: int, vector: Vectors, scope: str = "large") -> Added:
    made = sha256(b"%d" % number).hexdigest()[:32]
    question = f"What is it that somebody would like to know as number {number}?"
    return Added(made, scope, question, vector, "e", 1e12)


@dataclass
class Report:
    """What was measured, in the order it was."""

    rows: dict[str, str] = field(default_factory=dict)

    def say(self, name: str, value: str) -> None:
        self.rows[name] = value
        print(f"  {name:42}{value}", flush=True)

    def times(self, name: str, seconds: list[float]) -> None:
        p50, p99, most = np.percentile(seconds, [50, 99, 100]) * 1000
        self.say(name, f"p50 {p50:.2f}  p99 {p99:.2f}  max {most:.2f} ms")


def memory() -> int:
    """Bytes of this process that are not files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


def tier_at(path: Path, vectors: Vectors, entries: int) -> FaissTier:
    return FaissTier(
        path,
        embedder="e",
        dimension=vectors.shape[1],
        max_entries=max(2 * entries, 1000),
        clock=time.time,
        on_event=lambda name, **fields: print("  !", name, fields),
    )


def pages(questions: Questions, entries: int) -> Iterator[Changes]:
    for first in range(0, entries, PAGE):
        vectors = questions.page(first, min(PAGE, entries - first))
        items = tuple(added(first + at, vector) for at, vector in enumerate(vectors))
        yield Changes(items, str(first))


async def search_times(tier: FaissTier, asked: Vectors, scope: str = "large") -> list[float]:
    return [await timed(lambda v=one: tier.search(scope, v, K)) for one in asked]


async def while_entries_arrive(
    tier: FaissTier, asked: Vectors, entries: int, report: Report
) -> None:
    """Searches of both scopes, one after another, and 500 changes a second, five at a time."""
    late: dict[str, list[float]] = {"large": [], "small": [], "apply": [], "loop": []}
    ends = time.perf_counter() + SECONDS

    async def arrive() -> None:
        for number in itertools.count(entries, 5):
            if time.perf_counter() > ends:
                return
            items = [added(number + at, asked[(number + at) % QUERIES]) for at in range(4)]
            gone = Removed(items[0].id)
            work = tier.apply(Changes((*items, gone), "p"))
            late["apply"].append(await timed(lambda work=work: work))
            await asyncio.sleep(0.01)

    async def search(scope: str) -> None:
        for one in itertools.cycle(asked):
            if time.perf_counter() > ends:
                return
            late[scope].append(await timed(lambda one=one: tier.search(scope, one, K)))
            await asyncio.sleep(0.002)

    async def watch() -> None:
        while time.perf_counter() < ends:
            late["loop"].append(await timed(lambda: asyncio.sleep(0.001)) - 0.001)

    await asyncio.gather(arrive(), search("large"), search("small"), watch())
    report.times("search, 500 changes/s arriving", late["large"])
    report.times("search of a scope of 50, meanwhile", late["small"])
    report.times("a change visible after", late["apply"])
    report.times("lateness of the loop", late["loop"])


def recall(found: list[list[float]], exact: Vectors) -> str:
    """Of the nearest, and of the nearest K, that are similar enough: how many are found."""
    counts = dict.fromkeys((1, K), 0)
    for k in counts:
        are_hits = exact[:, :k] >= HIT
        got = [
            sum(any(abs(one - other) < SAME for other in mine) for one in row[hits])
            for mine, row, hits in zip(found, exact[:, :k], are_hits, strict=True)
        ]
        counts[k] = sum(got) / max(1, int(are_hits.sum()))  # type: ignore[assignment]
    return f"@1 {counts[1]:.4f}  @{K} {counts[K]:.4f}"


def nearest(questions: Questions, asked: Vectors, entries: int) -> Vectors:
    best = np.full((len(asked), K), -1.0, np.float32)
    for first in range(0, entries, PAGE):
        scores = asked @ questions.page(first, min(PAGE, entries - first)).T
        best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, : -K - 1 : -1]
    return best


async def measure(entries: int, known: Vectors, folder: Path) -> None:
    report, questions = Report(), Questions(known)
    asked = questions.asked(entries)
    before = memory()
    tier = tier_at(folder / "index", known, entries)
    await tier.start()
    filling = 0.0
    for changes in pages(questions, entries):
        filling += await timed(lambda changes=changes: tier.apply(changes))
    report.say("fill", f"{filling:.1f} s, {entries / filling:,.0f} entries/s")
    each = (memory() - before) / entries
    report.say("memory", f"{each * entries / 1e6:,.0f} MB, {each:,.0f} B an entry")
    report.say("memory, as the gauge says", f"{tier.stats()['bytes'] / 1e6:,.0f} MB")
    small = Changes(tuple(added(-n, asked[n], "small") for n in range(1, 51)), "small")
    await tier.apply(small)
    report.times("search", await search_times(tier, asked))
    found = [[one.similarity for one in await tier.search("large", v, K)] for v in asked]
    report.say("nearest found", recall(found, nearest(questions, asked, entries)))
    await while_entries_arrive(tier, asked, entries, report)
    await saving(tier, asked, entries, report)
    report.say("snapshot", f"{(folder / 'index').stat().st_size / 1e6:,.0f} MB")
    for first in range(0, entries, 2 * PAGE):
        gone = (
            added(number, asked[0]) for number in range(first, min(entries, first + 2 * PAGE), 2)
        )
        await tier.apply(Changes(tuple(Removed(one.id) for one in gone), "gone"))
    report.times("search, half removed", await search_times(tier, asked))
    report.say("memory, half removed", f"{(memory() - before) / 1e6:,.0f} MB")
    await tier.close()


async def saving(tier: FaissTier, asked: Vectors, entries: int, report: Report) -> None:
    """Save, while changes and searches go on."""
    saved = asyncio.ensure_future(timed(tier.save))  # noqa: TID251 - awaited below
    applied, searched = [], []
    for number in itertools.count(2 * entries):
        if saved.done():
            break
        change = Changes((added(number, asked[0]),), "while")
        applied.append(await timed(lambda change=change: tier.apply(change)))
        searched.append(await timed(lambda: tier.search("large", asked[1], K)))
        await asyncio.sleep(0.002)
    report.say("save", f"{await saved:.2f} s")
    report.times("a change visible after, meanwhile", applied or [0.0])
    report.times("search, meanwhile", searched or [0.0])


async def spread(entries: int, scopes: int, known: Vectors, folder: Path) -> None:
    """Searches of many scopes, in turn."""
    report, questions = Report(), Questions(known)
    tier = tier_at(folder / "index", known, entries)
    await tier.start()
    numbers = itertools.count()
    for page in pages(questions, entries):
        items = (replace(one, scope=f"scope {next(numbers) % scopes}") for one in page.items)
        await tier.apply(replace(page, items=tuple(items)))
    asked = zip(questions.asked(entries), itertools.cycle(range(0, scopes, 7)), strict=False)
    late = [await timed(lambda v=v, n=n: tier.search(f"scope {n}", v, K)) for v, n in asked]
    report.times(f"search, {scopes:,} scopes of {entries // scopes:,}", late)
    await tier.close()


async def load(entries: int, known: Vectors, folder: Path) -> None:
    report, before = Report(), memory()
    tier = tier_at(folder / "index", known, entries)
    report.say("start from the snapshot", f"{await timed(tier.start):.2f} s")
    report.say("memory then", f"{(memory() - before) / 1e6:,.0f} MB")
    report.times("search then", await search_times(tier, Questions(known).asked(entries)))
    await tier.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entries", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--scopes", type=int)
    parser.add_argument("--in", dest="folder", type=Path)  # one step, in a process of its own
    parser.add_argument("--load", action="store_true")
    chosen = parser.parse_args()
    if chosen.folder is not None:
        [entries], folder = chosen.entries, chosen.folder
        known = np.load(chosen.vectors, mmap_mode="r")
        if chosen.scopes:
            asyncio.run(spread(entries, chosen.scopes, known, folder))
        else:
            asyncio.run((load if chosen.load else measure)(entries, known, folder))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        vectors = chosen.vectors
        if vectors is None:
            vectors = folder / "vectors.npy"
            np.save(vectors, made_up())
        for entries in chosen.entries:
            print(f"{entries:,} entries")
            command = [sys.executable, __file__, str(entries), "--in", made]
            for more in [["--scopes", str(chosen.scopes)]] if chosen.scopes else [[], ["--load"]]:
                subprocess.run([*command, "--vectors", str(vectors), *more], check=True)


if __name__ == "__main__":
    main()
