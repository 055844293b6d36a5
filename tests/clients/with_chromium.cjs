// Chromium: a page of the proxy's own origin does what web applications do. It has no Expect and no h2c.
"use strict";

const assert = require("node:assert/strict");
const cases = require("./cases.cjs");
const chromium = require("../browser/chromium.cjs");

const BASE = cases.base();
const url = (path) => BASE + cases.WEB + path;

// These run in the page; what they need comes as arguments.

async function exchange(url, init) {
    const answer = await fetch(url, init);
    return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
}

async function uploadByFetch(url, length) {
    const data = new Uint8Array(length);
    for (let n = 0; n < length; n += 1) data[n] = n % 251;
    const answer = await fetch(url, { method: "POST", body: new Blob([data]) });
    return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
}

function uploadByXhr(url, length) {
    return new Promise((resolve, reject) => {
        const data = new Uint8Array(length);
        for (let n = 0; n < length; n += 1) data[n] = n % 251;
        const request = new XMLHttpRequest();
        request.open("PUT", url);
        request.onload = () =>
            resolve({
                status: request.status,
                type: request.getResponseHeader("content-type"),
                text: request.responseText,
            });
        request.onerror = () => reject(new Error("the upload broke"));
        request.send(data);
    });
}

async function downloadDigest(url) {
    const answer = await fetch(url);
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await answer.arrayBuffer()));
    return { status: answer.status, digest: Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("") };
}

function eventTimes(path, count) {
    return new Promise((resolve, reject) => {
        const came = [];
        const source = new EventSource(path);
        source.addEventListener("tick", (event) => {
            came.push([performance.now(), JSON.parse(event.data).n]);
            if (came.length === count) {
                source.close();
                resolve(came);
            }
        });
        source.onerror = () => reject(new Error(`it broke after ${came.length} events`));
    });
}

function echoes(path) {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(path);
        socket.binaryType = "arraybuffer";
        const came = [];
        socket.onopen = () => {
            socket.send("text, ä");
            socket.send(new Uint8Array(300_000).fill(7));
        };
        socket.onmessage = ({ data }) => {
            came.push(typeof data === "string" ? data : data.byteLength);
            if (came.length === 2) socket.close(4321, "enough");
        };
        socket.onclose = ({ code }) => resolve([...came, code]);
        socket.onerror = () => reject(new Error("the WebSocket broke"));
    });
}

async function main() {
    const { browser, close } = await chromium.start();
    const page = await browser.newPage();
    const json = (body) => ({
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
    });
    const taken = async (where, init) => {
        const { status, type, text } = await page.evaluate(exchange, url(where), init);
        return cases.plainJson(status, type, text);
    };
    // 20 MiB by their rule, without sending them to the page.
    const large = cases.pattern(cases.LARGE);
    const end = process.exit;
    process.exit = (code) => close().finally(() => end(code));

    await cases.report({
        // As a person does it: an address typed.
        navigation: async () => {
            const answer = await page.goto(url("/profile"), { waitUntil: "load" });
            const { "content-type": type } = answer.headers();
            cases.isProfile(cases.plainJson(answer.status(), type, await answer.text()));
        },

        "get-json": async () => cases.isProfile(await taken("/profile")),

        "post-json": async () => cases.isEcho(await taken("/echo", json(cases.ORDER))),

        "post-sealed": async () => {
            for (const change of cases.passwordChanges()) {
                cases.isPasswordChange(await taken("/auth/password/change", json(change)));
            }
        },

        upload: async () => {
            const { status, type, text } = await page.evaluate(uploadByFetch, url("/upload"), cases.LARGE);
            cases.isReceipt(cases.plainJson(status, type, text), large);
        },

        "upload-xhr": async () => {
            const { status, type, text } = await page.evaluate(uploadByXhr, url("/upload"), cases.LARGE);
            cases.isReceipt(cases.plainJson(status, type, text), large);
        },

        download: async () => {
            const { status, digest } = await page.evaluate(downloadDigest, url(`/download?bytes=${cases.LARGE}`));
            assert.deepEqual({ status, digest }, { status: 200, digest: cases.digest(large) });
        },

        events: async () => {
            cases.cameOneByOne(await page.evaluate(eventTimes, BASE + cases.EVENTS_PATH, cases.EVENTS));
        },

        websocket: async () => {
            const came = await page.evaluate(echoes, url("/ws").replace("http:", "ws:"));
            assert.deepEqual(came, ["text, ä", 300_000, 4321]);
        },

        "keep-alive": async () => {
            const client = await page.createCDPSession();
            await client.send("Network.enable");
            const used = [];
            client.on("Network.responseReceived", ({ response }) => used.push(response.connectionId));
            for (let n = 0; n < 2; n += 1) cases.isEcho(await taken("/echo", json(cases.ORDER)));
            assert.equal(used.length, 2);
            assert.equal(used[0], used[1], "the connection's id");
        },

        form: async () => {
            await page.evaluate((action) => {
                document.body.innerHTML = `<form method="post" action="${action}"><input name="a" value="b c"></form>`;
                document.querySelector("form").submit();
            }, url("/echo"));
            const answer = await page.waitForResponse(url("/echo"));
            const data = cases.plainJson(answer.status(), answer.headers()["content-type"], await answer.text());
            assert.deepEqual([data.method, data.body], ["POST", "a=b+c"]);
        },
    });
}

main().catch((error) => {
    console.log(`FAILED chromium: ${error.message.replace(/\s+/g, " ")}`);
    process.exit(1);
});
