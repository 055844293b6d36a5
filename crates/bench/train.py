#!/usr/bin/env python3
"""The load that pgo.sh trains with: what a proxy is asked for, through the demo of an instrumented build.

    train.py PROGRAM

Starts `PROGRAM demo`, sends it plain and sealed requests on many connections at once, long bodies both ways and an event
stream, and ends it, so that it writes its profile.
"""

import re
import signal
import socket
import subprocess
import sys
import urllib.request

CONNECTIONS = 32
ROUNDS = 400
LONG = 256 << 20
API = "/web/v1/tenant"


def head(method, path, host, body=b"", more=""):
    length = f"content-length: {len(body)}\r\ncontent-type: application/json\r\n" if body else ""
    lines = f"{method} {API}{path} HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\nuser-agent: train\r\n"
    return f"{lines}{length}{more}\r\n".encode() + body


class Connection:
    def __init__(self, host):
        name, port = host.rsplit(":", 1)
        self.socket = socket.create_connection((name, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, request):
        self.socket.sendall(request)

    def answer(self):
        status = int(self.file.readline().split()[1])
        length, chunked = 0, False
        while (line := self.file.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            chunked |= line == b"transfer-encoding: chunked"
        while chunked and (size := int(self.file.readline(), 16)):
            self.file.read(size + 2)
        if chunked:
            self.file.readline()
        while length > 0:
            length -= len(self.file.read(min(length, 1 << 20)))
        return status


def rounds(host, request, many, connections=CONNECTIONS):
    """The same request on all connections at once, again and again."""
    opened = [Connection(host) for _ in range(connections)]
    for _ in range(many):
        for connection in opened:
            connection.send(request)
        for connection in opened:
            status = connection.answer()
            if status != 200:
                sys.exit(f"the demo answered {status} to {request[:80]!r}")


def main():
    demo = subprocess.Popen([sys.argv[1], "demo"], stdout=subprocess.PIPE, text=True)
    try:
        for line in demo.stdout:
            if found := re.match(r"\s+proxy\s+http://(\S+)", line):
                host = found[1]
                break
        else:
            sys.exit("the demo does not start")
        rounds(host, head("GET", "/echo?page=2&sort=name", host), ROUNDS)
        rounds(host, head("POST", "/echo", host, b'{"q":"' + b"x" * 1000 + b'"}'), ROUNDS)
        wrong = b'{"currentPassword":"not this one","newPassword":"irrelevant"}'
        sealed = Connection(host)
        for _ in range(ROUNDS):
            sealed.send(head("POST", "/auth/password/change", host, wrong))
            sealed.answer()
        urllib.request.urlopen(f"http://{host}{API}/events?count=50&interval_ms=10").read()
        rounds(host, head("GET", f"/download?bytes={LONG}", host), 2, connections=1)
        upload = Connection(host)
        upload.send(head("POST", "/upload", host, more=f"content-length: {LONG}\r\n"))
        for _ in range(LONG >> 18):
            upload.send(b"u" * (1 << 18))
        upload.answer()
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.stdout.read()
        demo.wait(30)


main()
