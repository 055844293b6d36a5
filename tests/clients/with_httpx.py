"""Python httpx, over HTTP/1.1 and, with prior knowledge, HTTP/2. It has no WebSocket."""

import json
import time

import httpx

import cases
from cases import WEB

BASE = cases.base()
TIMEOUT = 30
client = httpx.Client(base_url=BASE, timeout=TIMEOUT, trust_env=False)


def taken(answer):
    return cases.plain_json(answer.status_code, answer.headers["content-type"], answer.content)


def get_json(client=client):
    cases.is_profile(taken(client.get(WEB + "/profile")))


def post_json(client=client):
    cases.is_echo(taken(client.post(WEB + "/echo", json=cases.ORDER)))


def post_sealed(client=client):
    for change in cases.password_changes():
        cases.is_password_change(taken(client.post(WEB + "/auth/password/change", json=change)))


def upload(client=client):
    data = cases.pattern(cases.LARGE)
    cases.is_receipt(taken(client.post(WEB + "/upload", content=data)), data)


def upload_chunked(client=client):
    data = cases.pattern(cases.LARGE)
    cases.is_receipt(taken(client.put(WEB + "/upload", content=cases.chunks(data))), data)


def download(client=client):
    with client.stream("GET", WEB + f"/download?bytes={cases.LARGE}") as answer:
        cases.equal(answer.status_code, 200, "the status")
        data = b"".join(answer.iter_bytes())
    cases.equal(cases.digest(data), cases.digest(cases.pattern(cases.LARGE)), "the digest")


def events(client=client):
    came = []
    with client.stream("GET", cases.EVENTS_PATH) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                came.append((time.monotonic(), json.loads(line[5:])["n"]))
    cases.came_one_by_one(came)


def keep_alive():
    opened = []

    def trace(event, _):
        if event == "connection.connect_tcp.complete":
            opened.append(event)

    with httpx.Client(base_url=BASE, timeout=TIMEOUT, trust_env=False) as fresh:
        for _ in range(2):
            answer = fresh.post(WEB + "/echo", json=cases.ORDER, extensions={"trace": trace})
            cases.is_echo(taken(answer))
    cases.equal(len(opened), 1, "the number of connections for two requests")


def h2c():
    with httpx.Client(base_url=BASE, timeout=TIMEOUT, trust_env=False, http1=False, http2=True) as h2:
        cases.equal(h2.get(WEB + "/profile").http_version, "HTTP/2", "the version")
        for case in (get_json, post_json, post_sealed, upload, upload_chunked, download, events):
            case(h2)


report = cases.Report()
for case in (get_json, post_json, post_sealed, upload, upload_chunked, download, events, keep_alive, h2c):
    report.run(case.__name__.replace("_", "-"), case)
report.end()
