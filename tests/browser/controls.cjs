// What must work: were everything refused, the attacks would prove nothing. The person's own address bar, pages of the
// proxy's own origin, and a front end whose origin is allowed.
"use strict";

const assert = require("node:assert/strict");

const WEB = "/web/v1/tenant";
const FRONT = "http://localhost:5173";

// These run in the page.

const getText = async (url, init) => (await fetch(url, init)).text();

const postJson = async (url, init) => {
    const headers = { "content-type": "application/json", "x-workspace-id": "7" };
    const answer = await fetch(url, { ...init, method: "POST", headers, body: '{"a":1}' });
    return answer.text();
};

const firstEvent = (url) =>
    new Promise((resolve, reject) => {
        const source = new EventSource(url);
        source.addEventListener("tick", (event) => {
            source.close();
            resolve(event.data);
        });
        source.onerror = () => reject(new Error("the events broke"));
    });

const echo = (url) =>
    new Promise((resolve, reject) => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => {
            socket.close();
            resolve(data);
        };
        socket.onerror = () => reject(new Error("the WebSocket broke"));
    });

const refused = (url, init) =>
    fetch(url, init).then(
        () => false,
        () => true,
    );

async function run(browser, house, report) {
    const one = async (name, check) => {
        const context = await browser.createBrowserContext();
        try {
            await check(await context.newPage());
            report.ok(name);
        } catch (error) {
            report.fail(name, error.message);
        } finally {
            await context.close();
        }
    };
    const hosts = { localhost: house.proxy, "loopback-v4": `http://127.0.0.1:${house.port}` };
    for (const [name, base] of Object.entries(hosts)) await ownOrigin(one, name, base);
    if (house.allowing) await allowedOrigin(one, house);
    await noGrants(report, house.proxy);
}

async function ownOrigin(one, name, base) {
    const at = (path) => base + WEB + path;
    await one(`own-typed-${name}`, async (page) => {
        const answer = await page.goto(at("/profile"));
        assert.equal(answer.status(), 200);
        assert.match(await answer.text(), /"accountEmail":"[a-z]+@example\.com"/);
    });
    await one(`own-page-${name}`, async (page) => {
        await page.goto(at("/profile"));
        assert.match(await page.evaluate(getText, at("/profile")), /"accountEmail":"[a-z]+@example\.com"/);
        assert.match(await page.evaluate(postJson, at("/echo")), /"bodyBytes":7/);
        assert.equal(await page.evaluate(firstEvent, at("/events?count=2&interval_ms=10")), '{"n":0}');
        assert.equal(await page.evaluate(echo, at("/ws").replace("http", "ws")), "hello");
    });
    await one(`own-worker-${name}`, async (page) => {
        await page.goto(at("/profile"));
        const read = await page.evaluate((url) => {
            const code = `fetch("${url}").then((a) => a.text()).then((text) => postMessage(text))`;
            const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
            return new Promise((resolve, reject) => {
                worker.onmessage = ({ data }) => resolve(data);
                worker.onerror = () => reject(new Error("the worker broke"));
            });
        }, at("/profile"));
        assert.match(read, /"accountEmail":"[a-z]+@example\.com"/);
    });
}

async function allowedOrigin(one, { allowing, attacker }) {
    const at = (path) => allowing + WEB + path;
    const answered = { get: [at("/profile")], credentials: [at("/profile"), { credentials: "include" }] };
    await one("allowed-origin-reads", async (page) => {
        await page.goto(`${FRONT}/front`);
        assert.match(await page.evaluate(getText, ...answered.get), /"accountEmail":"[a-z]+@example\.com"/);
        assert.equal(await page.evaluate(firstEvent, at("/events?count=2&interval_ms=10")), '{"n":0}');
    });
    await one("allowed-origin-posts-with-preflight", async (page) => {
        await page.goto(`${FRONT}/front`);
        assert.match(await page.evaluate(postJson, at("/echo")), /"bodyBytes":7/);
    });
    await one("allowed-origin-has-websockets", async (page) => {
        await page.goto(`${FRONT}/front`);
        assert.equal(await page.evaluate(echo, at("/ws").replace("http", "ws")), "hello");
    });
    await one("allowed-origin-reads-refusals", async (page) => {
        // A front end that cannot read what went wrong shows a riddle.
        await page.goto(`${FRONT}/front`);
        assert.match(await page.evaluate(getText, at("/status/404")), /"success":false/);
    });
    const others = {
        "next-port": "http://localhost:5174/front",
        "same-server": `http://localhost:${attacker.port}/front`,
        "other-site": "http://evil.example/front",
    };
    for (const [name, address] of Object.entries(others)) {
        await one(`allowed-origin-is-not-${name}`, async (page) => {
            await page.goto(address);
            assert.equal(await page.evaluate(refused, at("/profile")), true, "a GET was answered");
            const post = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
            assert.equal(await page.evaluate(refused, at("/transfer"), post), true, "a POST was answered");
        });
    }
}

// Preflights of old and new drafts, by hand: whatever is asked, nothing is granted.
async function noGrants(report, base) {
    const origins = ["http://evil.example", "null", "http://localhost:1", "https://localhost", "file://"];
    for (const origin of origins) {
        const name = `no-grant-for-${origin.replace(/[^a-z0-9.]+/g, "-")}`;
        const answer = await fetch(`${base}${WEB}/profile`, {
            method: "OPTIONS",
            headers: {
                origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type",
                "access-control-request-private-network": "true",
                "access-control-request-local-network": "true",
            },
        });
        const granted = [...answer.headers.keys()].filter((header) => header.startsWith("access-control-allow"));
        if (granted.length === 0) report.ok(name);
        else report.fail(name, `${answer.status} with ${granted}`);
    }
}

module.exports = { run };
