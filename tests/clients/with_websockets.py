"""Python websockets: the strictest of the WebSocket clients, with compression offered and pings."""

import asyncio

import websockets

import cases
from cases import WEB

BASE = cases.base().replace("http://", "ws://", 1)


def connect():
    return websockets.connect(BASE + WEB + "/ws", proxy=None, open_timeout=10, close_timeout=10, max_size=2**24)


async def websocket():
    async with connect() as socket:
        for message in ("text, ä", b"\x00\xff", cases.pattern(2_000_000), ""):
            await socket.send(message)
            cases.equal(await asyncio.wait_for(socket.recv(), 10), message, "the message")


async def ping():
    async with connect() as socket:
        pong = await socket.ping(b"are you there")
        await asyncio.wait_for(pong, 10)


async def fragments():
    async with connect() as socket:
        await socket.send(["one ", "message ", "in pieces"])
        cases.equal(await asyncio.wait_for(socket.recv(), 10), "one message in pieces", "the message")


async def close_is_answered():
    async with connect() as socket:
        await socket.close(code=4321, reason="enough")
        cases.equal(socket.close_code, 4321, "the close code that came back")


async def main():
    report = cases.Report()
    for case in (websocket, ping, fragments, close_is_answered):
        await report.run_async(case.__name__.replace("_", "-"), case)
    report.end()


asyncio.run(main())
