"""Python aiohttp: one event loop, many requests at once, WebSocket, and an Expect that waits for its 100."""

import asyncio
import json
import time

import aiohttp

import cases
from cases import WEB

BASE = cases.base()
TIMEOUT = aiohttp.ClientTimeout(total=30)


def fresh(**settings):
    return aiohttp.ClientSession(timeout=TIMEOUT, trust_env=False, **settings)


async def taken(request):
    async with request as answer:
        return cases.plain_json(answer.status, answer.headers["content-type"], await answer.read())


async def get_json(session):
    cases.is_profile(await taken(session.get(BASE + WEB + "/profile")))


async def post_json(session):
    cases.is_echo(await taken(session.post(BASE + WEB + "/echo", json=cases.ORDER)))


async def post_sealed(session):
    for change in cases.password_changes():
        cases.is_password_change(await taken(session.post(BASE + WEB + "/auth/password/change", json=change)))


async def upload(session):
    data = cases.pattern(cases.LARGE)
    cases.is_receipt(await taken(session.post(BASE + WEB + "/upload", data=data)), data)


async def upload_chunked(session):
    data = cases.pattern(cases.LARGE)

    async def pieces():
        for piece in cases.chunks(data):
            yield piece

    cases.is_receipt(await taken(session.put(BASE + WEB + "/upload", data=pieces())), data)


async def download(session):
    async with session.get(BASE + WEB + f"/download?bytes={cases.LARGE}") as answer:
        cases.equal(answer.status, 200, "the status")
        data = await answer.read()
    cases.equal(cases.digest(data), cases.digest(cases.pattern(cases.LARGE)), "the digest")


async def events(session):
    came = []
    async with session.get(BASE + cases.EVENTS_PATH) as answer:
        async for line in answer.content:
            if line.startswith(b"data:"):
                came.append((time.monotonic(), json.loads(line[5:])["n"]))
    cases.came_one_by_one(came)


async def websocket(session):
    async with session.ws_connect(BASE + WEB + "/ws") as socket:
        await socket.send_str("text, ä")
        cases.equal(await socket.receive_str(timeout=10), "text, ä", "the text")
        large = cases.pattern(300_000)
        await socket.send_bytes(large)
        cases.equal(await socket.receive_bytes(timeout=10), large, "the bytes")


async def keep_alive(_):
    opened, kept = [], []
    trace = aiohttp.TraceConfig()

    async def on_opened(*_):
        opened.append(1)

    async def on_kept(*_):
        kept.append(1)

    trace.on_connection_create_end.append(on_opened)
    trace.on_connection_reuseconn.append(on_kept)
    async with fresh(trace_configs=[trace]) as session:
        await post_json(session)
        await post_json(session)
    cases.equal((len(opened), len(kept)), (1, 1), "connections opened and kept")


async def expect_continue(session):
    data = cases.pattern(cases.LARGE)
    cases.is_receipt(await taken(session.post(BASE + WEB + "/upload", data=data, expect100=True)), data)


async def expect_continue_sealed(session):
    for change in cases.password_changes():
        request = session.post(BASE + WEB + "/auth/password/change", json=change, expect100=True)
        cases.is_password_change(await taken(request))


async def many_at_once(session):
    """Each gets its own answer back."""

    async def one(n):
        order = {"number": n}
        cases.is_echo(await taken(session.post(BASE + WEB + "/echo", json=order)), order)

    await asyncio.gather(*(one(n) for n in range(100)))


async def main():
    report = cases.Report()
    async with fresh() as session:
        for case in (
            get_json, post_json, post_sealed, upload, upload_chunked, download, events, websocket, keep_alive,
            expect_continue, expect_continue_sealed, many_at_once,
        ):
            await report.run_async(case.__name__.replace("_", "-"), lambda: case(session))
    report.end()


asyncio.run(main())
