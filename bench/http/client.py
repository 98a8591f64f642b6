"""A client that sees what wrk does not: when the first piece of an answer comes, and many streams.

`python -m bench.http.client URL KEY COUNT` opens so many streams at once, each with a question of
its own, reads them to their ends and says as JSON how many did; it tells when all have begun.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.http import traffic

ENDS = b"0\r\n\r\n"
"""The last chunk of a chunked body; a text that ends so is not asked for."""


@dataclass(frozen=True)
class Answered:
    """One answer.

    Attributes:
        first_us: Microseconds from sending to the first byte of the body.
        whole_us: To the last.
        head: Status line and fields, in lower case.
    """

    first_us: float
    whole_us: float
    head: bytes

    def says(self, field: str) -> str:
        """A field of the head; empty where there is none."""
        for line in self.head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.decode() == field:
                return value.strip().decode()
        return ""


def one_by_one(url: str, sent: Mapping[str, str], bodies: Iterable[bytes]) -> list[Answered]:
    """Post each over one connection, by plain sockets: little time of one's own."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    with socket.create_connection(address, timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return [_one(connection, request(url, sent, body)) for body in bodies]


def request(url: str, sent: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a request."""
    parts = urlsplit(url)
    fields = {"host": parts.netloc, **sent, "content-length": str(len(body))}
    lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {fields[name]}" for name in fields)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _one(connection: socket.socket, raw: bytes) -> Answered:
    began = time.perf_counter()
    connection.sendall(raw)
    got, head, first, body = b"", b"", 0.0, b""
    while not (head and _is_whole(head, body)):
        piece = connection.recv(1 << 18)
        if not piece:
            raise ConnectionError(f"closed in the middle: {got[:200]!r}")
        got += piece
        if not head and b"\r\n\r\n" in got:
            head = got.partition(b"\r\n\r\n")[0].lower()
        body = got[len(head) + 4 :] if head else b""
        if body and not first:
            first = time.perf_counter()
    ended = time.perf_counter()
    return Answered(1e6 * (first - began), 1e6 * (ended - began), head)


def _is_whole(head: bytes, body: bytes) -> bool:
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(ENDS)


async def crowd(url: str, key: str, count: int) -> dict[str, float]:
    """Many streams at once: how many ended well, and how long they took."""
    began = [0]
    sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    parts = urlsplit(url)
    stamp = time.time_ns()

    async def one(number: int) -> bool:
        body = traffic.fresh(stream=True).replace(traffic.HERE.encode(), b"%d" % (stamp + number))
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(request(url, sent, body))
        head = await reader.readuntil(b"\r\n\r\n")
        began[0] += 1
        if began[0] == count:
            print("all", flush=True)
        got = b""
        while b"[DONE]" not in got:
            piece = await reader.read(65536)
            if not piece:
                return False
            got = got[-64:] + piece
        writer.close()
        return b" 200 " in head.partition(b"\r\n")[0]

    start = time.perf_counter()
    ended = await asyncio.gather(*map(one, range(count)), return_exceptions=True)
    well = sum(one is True for one in ended)
    return {"count": count, "well": well, "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
