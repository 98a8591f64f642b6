"""What compressing stored entries otherwise would save and cost: `python -m bench.compressing`.

Answers are paragraphs of English from the docstrings of installed libraries, in the origin's JSON;
half of the libraries train the dictionary, and the others are measured. Needs `zstandard` for the
rows that name it (`pip install zstandard`, in an environment of its own).
"""

import json
import random
import re
import sys
import sysconfig
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson

from bench.capacity import SCOPE
from proxy.core.model import Answer, Entry, Usage
from proxy.tiers import codec
from tests.support.completions import chunks, completion
from tests.support.program import chat

try:
    import zstandard
except ImportError:
    zstandard = None

TRAINED, MEASURED = 1000, 300
DICTIONARY = 32_768
FORMS = {
    "200 to 500 characters": (200, 500, False),
    "500 to 1,500": (500, 1500, False),
    "1,500 to 4,000": (1500, 4000, False),
    "500 to 1,500, streamed": (500, 1500, True),
}
PREFIX = codec._PREFIX.size + codec._TIMES.size  # noqa: SLF001 - what no compression touches
Way = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]


def paragraphs() -> list[tuple[str, str]]:
    """Library and text."""
    folder = Path(sysconfig.get_paths()["purelib"])
    found = []
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(errors="ignore")
        library = file.relative_to(folder).parts[0]
        said = re.findall(r'"""(.{200,4000}?)"""', text, re.DOTALL)
        found += [(library, re.sub(r"\n +", "\n", one)) for one in said]
    return found


def entry(text: str, number: int, *, streamed: bool) -> Entry:
    """As the proxy would store it."""
    question = f"{text[:70]} {number}?"
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    whole = completion(chat(question), [choice], number)
    frames = chunks(whole, include_usage=True) if streamed else ()
    parts = tuple(json.dumps(one, separators=(",", ":")).encode() for one in frames)
    now = time.time()
    return Entry(
        id=SCOPE.key(question),
        scope=SCOPE.id,
        tenant=SCOPE.tenant,
        namespace=SCOPE.namespace,
        model=SCOPE.model,
        question=question,
        answer=Answer(json.dumps(whole).encode(), parts, Usage(12, 130), ("stop",)),
        created_at=now,
        expires_at=now + 86_400,
        kept_until=now + 90_000,
        vector=np.random.default_rng(number).standard_normal(384, np.float32),
        embedder="minilm",
    )


def plain(entry: Entry) -> bytes:
    """Head and answer, whose vector does not shrink."""
    bare = replace(entry, vector=None)
    head = orjson.dumps(codec._head(bare, 0, is_deflated=False))  # noqa: SLF001
    return b"".join((head, bare.answer.body, *bare.answer.frames))


def ways(trained: Sequence[Entry], streamed: Entry) -> Iterator[tuple[str, Way]]:
    """How it could be done."""
    yield "zlib", (lambda data: zlib.compress(data, 1), zlib.decompress)
    one = trained[0]
    empty = re.sub(rb'"content": "(?:[^"\\]|\\.)*"', b'"content": ""', plain(one))
    known = b"".join((*streamed.answer.frames[:2], streamed.answer.frames[-1], empty))

    def deflated(data: bytes) -> bytes:
        packer = zlib.compressobj(1, zdict=known)
        return packer.compress(data) + packer.flush()

    yield (
        f"zlib, an empty answer of {len(known):,} bytes as its dictionary",
        (deflated, lambda data: zlib.decompressobj(zdict=known).decompress(data)),
    )
    if zstandard is None:
        return
    plainly = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    yield "zstd", (plainly[0].compress, plainly[1].decompress)
    samples = [plain(one)[:20_000] for one in trained]
    learnt = zstandard.train_dictionary(DICTIONARY, samples)
    packer = zstandard.ZstdCompressor(level=1, dict_data=learnt)
    unpacker = zstandard.ZstdDecompressor(dict_data=learnt)
    yield f"zstd, a trained dictionary of {DICTIONARY:,}", (packer.compress, unpacker.decompress)


def us(work: Callable[[bytes], object], each: Sequence[bytes]) -> float:
    """Processor time of one, the least of three times."""
    least = float("inf")
    for _ in range(3):
        began = time.process_time()
        for one in each:
            work(one)
        least = min(least, time.process_time() - began)
    return 1e6 * least / len(each)


def main() -> None:
    known = paragraphs()
    draws = random.Random(1)
    draws.shuffle(known)
    libraries = sorted({library for library, _ in known})
    training = set(draws.sample(libraries, len(libraries) // 2))
    made: dict[str, tuple[list[Entry], list[Entry]]] = {}
    for form, (least, most, streamed) in FORMS.items():
        fitting = [one for one in known if least <= len(one[1]) < most]
        sides = [
            [text for lib, text in fitting if (lib in training) is side] for side in (True, False)
        ]
        trained, measured = (
            [entry(text, number, streamed=streamed) for number, text in enumerate(side[:count])]
            for side, count in zip(sides, (TRAINED, MEASURED), strict=True)
        )
        made[form] = trained, measured
    trained = [one for side, _ in made.values() for one in side]
    tried = list(ways(trained, made["500 to 1,500, streamed"][0][0]))
    print("| answer | stored | how | bytes | saved | us to pack | us to unpack |")
    print("|---|---|---|---|---|---|---|")
    for form, (_, measured) in made.items():
        stored = sum(len(codec.encode(one)) for one in measured) / len(measured)
        texts = [plain(one) for one in measured]
        for how, (pack, unpack) in tried:
            packed = [pack(one) for one in texts]
            if [unpack(one) for one in packed] != texts:
                sys.exit(f"{how} loses something")
            size = sum(map(len, packed)) / len(packed) + PREFIX + 4 * 384
            cells = [f"{stored:,.0f}", how, f"{size:,.0f}", f"{1 - size / stored:.0%}"]
            cells += [f"{us(pack, texts):.1f}", f"{us(unpack, packed):.1f}"]
            print(f"| {form} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
