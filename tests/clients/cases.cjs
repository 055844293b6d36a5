// What every client on Node has to show: what is sent, what must come back, a line for each case. `cases.py` has
// the same for Python.
"use strict";

const assert = require("node:assert/strict");
const { createHash } = require("node:crypto");

const WEB = "/web/v1/tenant";
const PASSWORD = "correct horse battery";
const OTHER_PASSWORD = "another horse battery";
const LARGE = 20 << 20;
const EVENTS = 5;
const INTERVAL_MS = 200;
const EVENTS_PATH = `${WEB}/events?count=${EVENTS}&interval_ms=${INTERVAL_MS}`;
const ORDER = { order: 17, what: "naïve “quotes” \\ and \u0001", nested: { list: [1, null, true, 2.5] } };

function base() {
    if (process.argv.length !== 3) {
        console.error(`usage: node ${process.argv[1]} BASE_URL`);
        process.exit(2);
    }
    return process.argv[2].replace(/\/$/, "");
}

// The bytes of the portal's downloads: n % 251.
function pattern(length) {
    const block = Buffer.from(Array.from({ length: 251 }, (_, n) => n));
    return Buffer.alloc(length, block);
}

function* chunks(data, size = 100_003) {
    for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

const digest = (data) => createHash("sha256").update(data).digest("hex");

// There and back, so that the account is as it was.
const passwordChanges = () => [
    { currentPassword: PASSWORD, newPassword: OTHER_PASSWORD },
    { currentPassword: OTHER_PASSWORD, newPassword: PASSWORD },
];

// An answer as a legacy client wants it: JSON in the open. Returns what stands under `data`.
function plainJson(status, contentType, text) {
    assert.equal(status, 200, `the status is ${status}, with ${text.slice(0, 300)}`);
    assert.equal(contentType.split(";")[0], "application/json");
    const answer = JSON.parse(text);
    assert.equal(answer.success, true);
    return answer.data;
}

const isProfile = (data) => assert.equal(data.accountEmail, "admin@example.com");

function isEcho(data) {
    assert.equal(data.method, "POST");
    assert.equal(data.sealed, false);
    assert.deepEqual(JSON.parse(data.body), ORDER);
    for (const wanted of ["authorization", "x-portal-access-code", "x-client-hash"]) {
        assert.equal(data.headers.filter(([name]) => name === wanted).length, 1, `exactly one ${wanted}`);
    }
}

const isPasswordChange = (data) => assert.equal(data.success, true);

const isReceipt = (data, sent) => assert.deepEqual(data, { bytes: sent.length, sha256: digest(sent) });

// `events` are pairs of arrival in milliseconds and number. Held back and sent in one go they would have no time
// between them; sent two by two, half of them would have none.
function cameOneByOne(events) {
    assert.deepEqual(events.map(([, number]) => number), Array.from({ length: EVENTS }, (_, n) => n));
    const gaps = events.slice(1).map(([at], n) => Math.round(at - events[n][0]));
    const whole = gaps.reduce((a, b) => a + b, 0);
    const apart = gaps.filter((gap) => gap >= 20).length;
    assert.ok(whole >= ((EVENTS - 1) * INTERVAL_MS) / 2 && apart >= EVENTS - 2, `not one by one: ${gaps} ms between`);
}

// Runs `{ name: case }` in order, prints a line for each, ends the process.
async function report(cases) {
    let failed = 0;
    for (const [name, run] of Object.entries(cases)) {
        try {
            await within(30_000, run());
            console.log(`ok ${name}`);
        } catch (error) {
            failed += 1;
            const why = `${error.name}: ${error.message}${error.cause ? `: ${error.cause}` : ""}`;
            console.log(`FAILED ${name}: ${why.replace(/\s+/g, " ")}`);
            console.error(error);
        }
    }
    process.exit(failed === 0 ? 0 : 1);
}

function within(ms, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing came within ${ms} ms`)), ms);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

module.exports = {
    EVENTS, EVENTS_PATH, INTERVAL_MS, LARGE, ORDER, WEB, base, cameOneByOne, chunks, digest, isEcho,
    isPasswordChange, isProfile, isReceipt, passwordChanges, pattern, plainJson, report, within,
};
