#!/usr/bin/env python3
"""A long way between nodes of this machine, for bench/far.sh.

    slow_link.py MILLISECONDS PORT=PORT...     what comes to a port goes on to the other one, both
                                               ways, so many milliseconds later; nothing is lost
"""
import asyncio
import socket
import sys

PIECE_BYTES = 64 << 10


async def carry(reader, writer, seconds):
    loop = asyncio.get_running_loop()
    under_way = asyncio.Queue()

    async def deliver():
        while True:
            arrival, piece = await under_way.get()
            await asyncio.sleep(max(0.0, arrival - loop.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(PIECE_BYTES):
            under_way.put_nowait((loop.time() + seconds, piece))
    except OSError:
        pass
    under_way.put_nowait((loop.time() + seconds, b""))
    await delivery


async def link(port, target, seconds):
    async def accept(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        for side in (writer, far_writer):
            side.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(carry(reader, far_writer, seconds),
                             carry(far_reader, writer, seconds))

    await asyncio.start_server(accept, "127.0.0.1", port)


async def main():
    seconds = float(sys.argv[1]) / 1000
    for pair in sys.argv[2:]:
        port, target = map(int, pair.split("="))
        await link(port, target, seconds)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
