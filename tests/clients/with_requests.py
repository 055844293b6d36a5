"""Python requests: the client that most scripts in the world use. It has no WebSocket and no HTTP/2."""

import json
import time

import requests

import cases
from cases import WEB

BASE = cases.base()
TIMEOUT = 30
session = requests.Session()
session.trust_env = False


def taken(answer):
    return cases.plain_json(answer.status_code, answer.headers["content-type"], answer.content)


def get_json():
    cases.is_profile(taken(session.get(BASE + WEB + "/profile", timeout=TIMEOUT)))


def post_json():
    cases.is_echo(taken(session.post(BASE + WEB + "/echo", json=cases.ORDER, timeout=TIMEOUT)))


def post_sealed():
    for change in cases.password_changes():
        answer = session.post(BASE + WEB + "/auth/password/change", json=change, timeout=TIMEOUT)
        cases.is_password_change(taken(answer))
        cases.equal(int(answer.headers["content-length"]), len(answer.content), "content-length")


def upload():
    data = cases.pattern(cases.LARGE)
    cases.is_receipt(taken(session.post(BASE + WEB + "/upload", data=data, timeout=TIMEOUT)), data)


def upload_chunked():
    data = cases.pattern(cases.LARGE)
    answer = session.put(BASE + WEB + "/upload", data=cases.chunks(data), timeout=TIMEOUT)
    cases.equal(answer.request.headers.get("transfer-encoding"), "chunked", "the request's framing")
    cases.is_receipt(taken(answer), data)


def download():
    answer = session.get(BASE + WEB + f"/download?bytes={cases.LARGE}", timeout=TIMEOUT, stream=True)
    cases.equal(answer.status_code, 200, "the status")
    cases.equal(int(answer.headers["content-length"]), cases.LARGE, "content-length")
    data = b"".join(answer.iter_content(1 << 16))
    cases.equal(cases.digest(data), cases.digest(cases.pattern(cases.LARGE)), "the digest")


def events():
    answer = session.get(BASE + cases.EVENTS_PATH, timeout=TIMEOUT, stream=True)
    cases.equal(answer.headers["content-type"], "text/event-stream", "the content type")
    lines = answer.iter_lines(chunk_size=None)
    came = [(time.monotonic(), json.loads(line[5:])["n"]) for line in lines if line.startswith(b"data:")]
    cases.came_one_by_one(came)


def keep_alive():
    with requests.Session() as fresh:
        fresh.trust_env = False
        for _ in range(2):
            cases.is_echo(taken(fresh.post(BASE + WEB + "/echo", json=cases.ORDER, timeout=TIMEOUT)))
        pools = fresh.get_adapter(BASE).poolmanager.pools
        opened = sum(pools[key].num_connections for key in pools.keys())
        cases.equal(opened, 1, "the number of connections for two requests")


def expect_continue():
    """It does not wait for the 100; it has to bear it."""
    data = cases.pattern(cases.LARGE)
    headers = {"expect": "100-continue"}
    answer = session.post(BASE + WEB + "/upload", data=data, headers=headers, timeout=TIMEOUT)
    cases.is_receipt(taken(answer), data)


report = cases.Report()
for case in (
    get_json, post_json, post_sealed, upload, upload_chunked, download, events, keep_alive, expect_continue
):
    report.run(case.__name__.replace("_", "-"), case)
report.end()
