"""A TCP connection that can be slow, hang or break: a real proxy before a server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Wire:
    """Passes bytes on to a port of the loopback, as late as it is told to.

    Attributes:
        delay_s: Seconds that each answer is held back. Answers overtake nobody, and do not queue:
            ten sent at once all arrive that much later.
        garbled: What comes in place of each piece of an answer; None leaves answers as they are.
        halves: Break each connection in the middle of its next answer.
        port: Where it listens.
    """

    def __init__(self, behind: int) -> None:
        self.delay_s = 0.0
        self.garbled: bytes | None = None
        self.halves = False
        self.port = 0
        self._behind = behind
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._lost = object()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections, always on the same port."""
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections, and break those that there are."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def lose(self) -> None:
        """Swallow for ever what is said on connections that there are, as a firewall that has
        forgotten them does; new ones work.
        """
        self._lost = object()

    def stall(self) -> None:
        """Let nothing through: connections are accepted, and nobody answers."""
        self._flows.clear()

    def flow(self) -> None:
        """Let everything through again, what was held back first."""
        self._flows.set()

    def cut(self) -> None:
        """Break all connections, and every new one."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Take connections again, and pass on what is said as it is."""
        self._is_cut = False
        self.garbled, self.halves = None, False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, behind}
        self._writers |= both
        if self._is_cut:
            writer.transport.abort()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, behind, is_answer=False))
                group.create_task(self._pass_on(behind_reader, writer, is_answer=True))
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        now = asyncio.get_running_loop().time

        async def deliver() -> None:
            lost = self._lost
            while True:
                due, data = await late.get()
                await asyncio.sleep(due - now())
                await self._flows.wait()
                if lost is not self._lost:
                    continue
                if is_answer and self.halves:
                    writer.write(data[: len(data) // 2])
                    writer.transport.abort()
                writer.write(self.garbled if is_answer and self.garbled is not None else data)

        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(deliver())
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    late.put_nowait((now() + self.delay_s * is_answer, data))
            delivering.cancel()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def wire_before(behind: int) -> AsyncIterator[Wire]:
    """A wire to that port, until the end of the block."""
    wire = Wire(behind)
    await wire.listen()
    try:
        yield wire
    finally:
        wire.refuse()
        wire.cut()
        await asyncio.sleep(0.05)
