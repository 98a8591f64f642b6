"""Samples of stacks, added up: microseconds a request by module and by function."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FRAME = re.compile(r"^(?P<function>.*) \((?P<file>.*?)(:\d+)?\)$")

LOOP = "Runner.run (asyncio/runners.py)"
"""What is not Python below this frame has no frame of its own: the event loop, in C."""

UNTOLD = "uvloop, kernel"

WAITING = {"_serve (proxy/threads.py)", "_worker (concurrent/futures/thread.py)"}
"""Innermost frames of threads that wait for work, which py-spy often takes for busy ones."""

KEPT = 40
"""Modules and functions kept of an account, the dearest."""

Costs = Mapping[str, Sequence[float]]
"""Of each, microseconds of its own and with all that it calls."""


@dataclass(frozen=True)
class Account:
    """One path.

    Attributes:
        cpu_us: Processor time a request, of all processes and threads, not slowed by sampling.
        kernel_us: The kernel's part of it.
        samples: How many of all stacks the parts were told from.
        modules: By the program's file, or the library's name.
        functions: By name and file.
    """

    cpu_us: float
    kernel_us: float
    samples: int
    modules: Costs
    functions: Costs


def account(raw: str, threads: Mapping[int, float], kernel_us: float) -> Account:
    """Microseconds shared out: each thread's over the stacks that it was seen with.

    So a thread that is seen when it only waits, as happens, takes nothing from the others.

    Args:
        raw: py-spy's raw format, with threads: a line a stack, outermost first, and how often it
            was seen.
        threads: Processor time a request, microseconds, by thread.
        kernel_us: The kernel's part of their sum.
    """
    seen: defaultdict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for thread, stack, times in _stacks(raw.splitlines()):
        seen[thread][stack] += times
    samples = sum(of.total() for of in seen.values())
    for thread in threads.keys() - seen.keys():
        seen[thread][(UNTOLD,)] = 1
    parts = [
        (stack, times * threads.get(thread, 0.0) / of.total())
        for thread, of in seen.items()
        for stack, times in of.items()
    ]
    by_module = [(tuple(map(_module, stack)), us) for stack, us in parts]
    return Account(sum(threads.values()), kernel_us, samples, _costs(by_module), _costs(parts))


def _stacks(lines: Iterable[str]) -> Iterator[tuple[int, tuple[str, ...], int]]:
    for line in lines:
        said, _, times = line.rpartition(" ")
        thread, *frames = (re.sub(r":\d+\)$", ")", frame) for frame in said.split(";"))
        number = re.search(r"\((\d+)\)", thread)
        if number is None or not frames or frames[-1] in WAITING:
            continue
        inner = (UNTOLD,) if frames[-1] == LOOP else ()
        yield int(number[1]), (*frames, *inner), int(times)


def _module(frame: str) -> str:
    """`proxy/web/lane.py` of the program, `aiohttp` of a library."""
    match = FRAME.match(frame)
    if match is None:
        return frame
    if match["file"] == "<string>":
        return "made by dataclasses"
    file = match["file"].removeprefix("<frozen ").removesuffix(">")
    if file.startswith("proxy/"):
        return file
    return file.partition("/")[0].removesuffix(".py").partition(".")[0]


def _costs(stacks: Iterable[tuple[tuple[str, ...], float]]) -> Costs:
    own: defaultdict[str, float] = defaultdict(float)
    whole: defaultdict[str, float] = defaultdict(float)
    for names, us in stacks:
        own[names[-1]] += us
        for name in set(names):
            whole[name] += us
    dear = sorted(whole, key=lambda name: (own[name], whole[name]), reverse=True)[:KEPT]
    return {name: (round(own[name], 2), round(whole[name], 2)) for name in dear}


def written(accounts: Mapping[str, Account], file: Path) -> None:
    """As JSON, beside the paths that the file has already."""
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= {name: asdict(one) for name, one in accounts.items()}
    lines = re.sub(r"\[\s+([\d.]+),\s+([\d.]+)\s+\]", r"[\1, \2]", json.dumps(known, indent=1))
    file.write_text(f"{lines}\n")


def read(file: Path) -> dict[str, Account]:
    """What was written."""
    return {name: Account(**one) for name, one in json.loads(file.read_text()).items()}


def compared(before: Mapping[str, Account], after: Mapping[str, Account], rows: int) -> str:
    """Both side by side, for a page: the sums, and of each path the modules that cost most."""
    both = [name for name in after if name in before]
    lines = [
        "| path | CPU before, us | after | | the kernel's part before | after |",
        "|---|---|---|---|---|---|",
    ]
    for name in both:
        old, new = before[name], after[name]
        share = f"{new.cpu_us / old.cpu_us:.2f} x"
        parts = f"{old.kernel_us:,.0f} | {new.kernel_us:,.0f}"
        lines.append(f"| {name} | {old.cpu_us:,.0f} | {new.cpu_us:,.0f} | {share} | {parts} |")
    for name in both:
        lines += ["", f"### {name}", "", *_modules(before[name].modules, after[name].modules, rows)]
    return "\n".join(lines)


def _modules(old: Costs, new: Costs, rows: int) -> list[str]:
    def dearest(name: str) -> float:
        return max(old.get(name, (0, 0))[0], new.get(name, (0, 0))[0])

    lines = [
        "| us a request | before: own | with all it calls | after: own | with all it calls |",
        "|---|---|---|---|---|",
    ]
    for name in sorted({**old, **new}, key=dearest, reverse=True)[:rows]:
        cells = (f"{us:,.1f}" for of in (old, new) for us in of.get(name, (0.0, 0.0)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
