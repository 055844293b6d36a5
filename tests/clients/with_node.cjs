// Node: its own fetch, undici's request and EventSource, ws, and the built-in http (the one that knows Expect) and
// http2 (h2c with prior knowledge).
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const http2 = require("node:http2");
const { once } = require("node:events");
const { Readable } = require("node:stream");
const undici = require("undici");
const WebSocket = require("ws");
const cases = require("./cases.cjs");

const BASE = cases.base();
const url = (path) => BASE + cases.WEB + path;
const json = (body) => ({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
});

async function taken(answer) {
    return cases.plainJson(answer.status, answer.headers.get("content-type"), await answer.text());
}

async function receipt(init) {
    const data = cases.pattern(cases.LARGE);
    cases.isReceipt(await taken(await fetch(url("/upload"), { ...init, ...init.with(data) })), data);
}

// One exchange over node:http with an Expect; the body goes out only after the 100.
async function expecting(path, body) {
    const headers = { expect: "100-continue", "content-type": "application/json", "content-length": body.length };
    const request = http.request(BASE + path, { method: "POST", headers, agent: false });
    let told = false;
    const answered = once(request, "response");
    request.flushHeaders();
    await Promise.race([
        once(request, "continue").then(() => (told = true)),
        answered,
        once(request, "error").then(([error]) => Promise.reject(error)),
    ]);
    assert.ok(told, "a final answer came in place of the 100");
    request.end(body);
    const [answer] = await answered;
    const text = Buffer.concat(await answer.toArray()).toString();
    return cases.plainJson(answer.statusCode, answer.headers["content-type"], text);
}

// One exchange over HTTP/2.
async function over(session, method, path, body = Buffer.alloc(0)) {
    const head = { ":method": method, ":path": path, "content-type": "application/json" };
    const stream = session.request(head, { endStream: body.length === 0 });
    const answered = once(stream, "response");
    if (body.length > 0) stream.end(body);
    const [headers] = await answered;
    return { status: headers[":status"], type: headers["content-type"], body: Buffer.concat(await stream.toArray()) };
}

cases.report({
    "get-json": async () => cases.isProfile(await taken(await fetch(url("/profile")))),

    "post-json": async () => cases.isEcho(await taken(await fetch(url("/echo"), json(cases.ORDER)))),

    "post-sealed": async () => {
        for (const change of cases.passwordChanges()) {
            cases.isPasswordChange(await taken(await fetch(url("/auth/password/change"), json(change))));
        }
    },

    upload: () => receipt({ method: "POST", with: (data) => ({ body: data }) }),

    "upload-chunked": () =>
        receipt({
            method: "PUT",
            duplex: "half",
            with: (data) => ({ body: Readable.toWeb(Readable.from(cases.chunks(data))) }),
        }),

    download: async () => {
        const answer = await fetch(url(`/download?bytes=${cases.LARGE}`));
        assert.equal(answer.status, 200);
        const data = Buffer.from(await answer.arrayBuffer());
        assert.equal(cases.digest(data), cases.digest(cases.pattern(cases.LARGE)));
    },

    events: async () => {
        const source = new undici.EventSource(BASE + cases.EVENTS_PATH);
        const came = [];
        await new Promise((resolve, reject) => {
            source.addEventListener("tick", (event) => {
                came.push([performance.now(), JSON.parse(event.data).n]);
                if (came.length === cases.EVENTS) resolve();
            });
            source.addEventListener("error", () => reject(new Error(`it broke after ${came.length} events`)));
        }).finally(() => source.close());
        cases.cameOneByOne(came);
    },

    websocket: async () => {
        const socket = new WebSocket(url("/ws").replace("http:", "ws:"));
        await once(socket, "open");
        for (const message of [Buffer.from("text, ä"), cases.pattern(300_000)]) {
            const answered = once(socket, "message");
            socket.send(message);
            const [echo] = await answered;
            assert.ok(message.equals(echo), "the echo differs");
        }
        socket.close(4321, "enough");
        const [code] = await once(socket, "close");
        assert.equal(code, 4321);
    },

    "keep-alive": async () => {
        // A client has one connection at a time, and opens another if that one was closed.
        const client = new undici.Client(BASE);
        let opened = 0;
        client.on("connect", () => (opened += 1));
        for (let n = 0; n < 2; n += 1) {
            const answer = await client.request({ ...json(cases.ORDER), path: `${cases.WEB}/echo` });
            cases.isEcho(cases.plainJson(answer.statusCode, answer.headers["content-type"], await answer.body.text()));
        }
        await client.close();
        assert.equal(opened, 1, "connections for two requests");
    },

    "expect-continue": async () => {
        const data = cases.pattern(cases.LARGE);
        cases.isReceipt(await expecting(`${cases.WEB}/upload`, data), data);
    },

    "expect-continue-sealed": async () => {
        for (const change of cases.passwordChanges()) {
            const body = Buffer.from(JSON.stringify(change));
            cases.isPasswordChange(await expecting(`${cases.WEB}/auth/password/change`, body));
        }
    },

    h2c: async () => {
        const session = http2.connect(BASE);
        const broken = once(session, "error").then(([error]) => Promise.reject(error));
        const post = async (path, body) => {
            const answer = await over(session, "POST", cases.WEB + path, body);
            return cases.plainJson(answer.status, answer.type, answer.body.toString());
        };
        const talk = async () => {
            // Ten streams at once on the one connection.
            const order = Buffer.from(JSON.stringify(cases.ORDER));
            for (const data of await Promise.all(Array.from({ length: 10 }, () => post("/echo", order)))) {
                cases.isEcho(data);
            }
            for (const change of cases.passwordChanges()) {
                cases.isPasswordChange(await post("/auth/password/change", Buffer.from(JSON.stringify(change))));
            }
            const large = cases.pattern(cases.LARGE);
            cases.isReceipt(await post("/upload", large), large);
            const answer = await over(session, "GET", `${cases.WEB}/download?bytes=${cases.LARGE}`);
            assert.equal(answer.status, 200);
            assert.equal(cases.digest(answer.body), cases.digest(large));
        };
        await Promise.race([talk(), broken]).finally(() => session.destroy());
    },
});
