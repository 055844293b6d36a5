"""What every Python client has to show: the cases' names, what is sent and what must come back."""

import hashlib
import json
import sys
import traceback

WEB = "/web/v1/tenant"
PASSWORD, OTHER_PASSWORD = "correct horse battery", "another horse battery"
LARGE = 20 << 20
EVENTS, INTERVAL_MS = 5, 200
EVENTS_PATH = f"{WEB}/events?count={EVENTS}&interval_ms={INTERVAL_MS}"
ORDER = {"order": 17, "what": "naïve “quotes” \\ and \u0001", "nested": {"list": [1, None, True, 2.5]}}


def base():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} BASE_URL")
    return sys.argv[1].rstrip("/")


def pattern(length):
    """The bytes of the portal's downloads: n % 251."""
    block = bytes(range(251)) * 4096
    return (block * (length // len(block) + 1))[:length]


def chunks(data, size=100_003):
    for at in range(0, len(data), size):
        yield data[at : at + size]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def password_changes():
    """There and back, so that the account is as it was."""
    yield {"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD}
    yield {"currentPassword": OTHER_PASSWORD, "newPassword": PASSWORD}


def equal(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, not {wanted!r}")


def plain_json(status, content_type, body):
    """An answer as a legacy client wants it: JSON in the open. Returns what stands under `data`."""
    equal(status, 200, f"the status (with {body[:300]!r})")
    equal(content_type.split(";")[0], "application/json", "the content type")
    answer = json.loads(body)
    equal(answer.get("success"), True, "success")
    return answer["data"]


def is_profile(data):
    equal(data["accountEmail"], "admin@example.com", "accountEmail")


def is_echo(data, sent=ORDER):
    equal(data["method"], "POST", "the method")
    equal(data["sealed"], False, "sealed")
    equal(json.loads(data["body"]), sent, "the body")
    names = [name for name, _ in data["headers"]]
    for name in ("authorization", "x-portal-access-code", "x-client-hash"):
        equal(names.count(name), 1, f"the number of {name}")


def is_password_change(data):
    equal(data["success"], True, "data.success")


def is_receipt(data, sent):
    equal(data, {"bytes": len(sent), "sha256": digest(sent)}, "the receipt")


def came_one_by_one(events):
    """`events` are pairs of arrival in seconds and number. Held back and sent in one go they would have no time
    between them; sent two by two, half of them would have none."""
    equal([number for _, number in events], list(range(EVENTS)), "the events")
    times = [at for at, _ in events]
    gaps = [round((b - a) * 1000) for a, b in zip(times, times[1:])]
    if sum(gaps) < (EVENTS - 1) * INTERVAL_MS / 2 or sum(gap >= 20 for gap in gaps) < EVENTS - 2:
        raise AssertionError(f"the events did not come one by one: {gaps} ms between them")


class Report:
    """Runs cases and prints a line for each."""

    def __init__(self):
        self.failed = 0

    def line(self, name, error=None):
        if error is None:
            print(f"ok {name}", flush=True)
            return
        self.failed += 1
        why = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"FAILED {name}: {why}", flush=True)
        traceback.print_exception(error, file=sys.stderr)

    def run(self, name, case):
        try:
            case()
        except Exception as error:
            self.line(name, error)
        else:
            self.line(name)

    async def run_async(self, name, case):
        try:
            await case()
        except Exception as error:
            self.line(name, error)
        else:
            self.line(name)

    def end(self):
        sys.exit(1 if self.failed else 0)
