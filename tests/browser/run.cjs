// Pages that attack, in a real Chromium, against a running proxy and, to show that they do attack, against one
// without a guard.
//
//   node run.cjs --proxy http://localhost:PORT --control http://127.0.0.1:PORT [--allowing http://localhost:PORT]
//
// `--control` is the simulator's control port, which tells what arrived upstream. `--allowing` is a second proxy
// before the same simulator, with guard.allowed_origins = ["http://localhost:5173"].
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { parseArgs } = require("node:util");

const attacker = require("./attacker.cjs");
const attacks = require("./attacks.cjs");
const bait = require("./bait.cjs");
const chromium = require("./chromium.cjs");
const controls = require("./controls.cjs");

const AT_ONCE = 6;
// Generous: only a machine with much else to do comes near them.
const PAGE_DEADLINE = 25_000;
const ARRIVAL_DEADLINE = 25_000;
// For those that the browser is known to prevent.
const NO_ARRIVAL_DEADLINE = 1000;
const GRACE = 200;

const json = async (url) => (await fetch(url)).json();
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(deadline, holds) {
    const end = Date.now() + deadline;
    while (Date.now() < end) {
        if (await holds()) return true;
        await wait(50);
    }
    return false;
}

// A tab that goes from attack to attack: a new one for each would cost more than the attacks do. What an attack leaves
// behind, such as other windows or workers, goes with the tab and its context.
class Tab {
    constructor(browser) {
        this.browser = browser;
    }

    async page() {
        if (!this.context) {
            this.context = await this.browser.createBrowserContext();
            this.current = await this.context.newPage();
        }
        return this.current;
    }

    async close() {
        const context = this.context;
        this.context = undefined;
        await context?.close();
    }
}

// Runs one attack's page against one target, and tells what it read. The page stays until the attack has `arrived` at
// the target without a guard, so that it had its time at the other one too.
async function visit(tab, house, attack, port, arrived) {
    const target = `http://${attack.host}:${port}`;
    const page = await tab.page();
    const sent = new Promise((resolve) => {
        page.on("request", (request) => named(attack.name)({ path: request.url() }) && resolve());
    });
    try {
        const loaded = await open(page, house, attack, target);
        if (attack.from === "typed") return [await page.evaluate(() => document.body?.innerText ?? "")];
        if (attack.leaves) {
            await Promise.race([sent, wait(ARRIVAL_DEADLINE)]);
        } else {
            assert.ok(loaded, "the attack's own page did not load");
            const ended = page.waitForFunction("globalThis.finished === true", { polling: 50, timeout: PAGE_DEADLINE });
            await ended.catch(() => undefined);
        }
        await arrived;
        await wait(GRACE);
        return attack.leaves ? [] : await page.evaluate("loot");
    } finally {
        page.removeAllListeners("request");
        if (attack.litters) await tab.close();
    }
}

// Opens the page where the attack is from. Pages of names that are not the attacker's own are put in the answer's place.
async function open(page, house, attack, target) {
    const query = `?target=${encodeURIComponent(target)}`;
    switch (attack.from) {
        case "evil":
            return page.goto(`http://evil.example/page/${attack.name}${query}`);
        case "neighbour":
            return page.goto(`http://localhost:${house.attacker.port}/page/${attack.name}${query}`);
        case "file": {
            const file = path.join(house.scratch, `${attack.name}-${new URL(target).port}.html`);
            fs.writeFileSync(file, attacker.page(attack, target));
            return page.goto(`file://${file}`);
        }
        case "typed":
            return page.goto(`${target}/web/v1/tenant/profile?attack=${attack.name}`).catch(() => undefined);
        case "secure":
            return served(page, attack, target, "https://secure.example");
        case "rebound":
            return served(page, attack, target, target);
        default:
            throw new Error(`no page comes from ${attack.from}`);
    }
}

async function served(page, attack, target, origin) {
    const client = await page.createCDPSession();
    const url = `${origin}/attacker/${attack.name}`;
    await client.send("Fetch.enable", { patterns: [{ urlPattern: `${origin}/attacker/*` }] });
    client.on("Fetch.requestPaused", ({ requestId }) => {
        const headers = attacker.headersOf(attack, target);
        const answer = client.send("Fetch.fulfillRequest", {
            requestId,
            responseCode: 200,
            responseHeaders: Object.entries(headers).map(([name, value]) => ({ name, value })),
            body: Buffer.from(attacker.page(attack, target)).toString("base64"),
        });
        // The page can be gone by now.
        answer.catch(() => undefined);
    });
    const loaded = await page.goto(url);
    await client.detach();
    return loaded;
}

class Report {
    passed = 0;
    failed = 0;

    ok(name) {
        this.passed += 1;
        console.log(`ok ${name}`);
    }

    fail(name, why) {
        this.failed += 1;
        console.log(`FAILED ${name}: ${why.replace(/\s+/g, " ").slice(0, 500)}`);
    }
}

const named = (name) => (request) => new URL(request.path, "http://any").searchParams.get("attack") === name;

// What nobody but the person may ever see, from the simulator's own settings.
async function canaries(control) {
    const settings = await json(`${control}/settings`);
    return [settings.access_code, ...settings.accounts.map(({ email }) => email), "eyJ"];
}

async function attackAll(browser, house, report) {
    const secrets = await canaries(house.control);
    // The browser asks for the icon of what the controls have opened; let that come in first.
    const requests = async () => (await json(`${house.control}/counters`)).requests;
    let before = -1;
    await until(ARRIVAL_DEADLINE, async () => {
        const now = await requests();
        const quiet = now === before;
        before = now;
        await wait(GRACE);
        return quiet;
    });
    const results = new Map();
    const waiting = [...attacks];
    const crew = Array.from({ length: AT_ONCE }, async () => {
        const tabs = [new Tab(browser), new Tab(browser)];
        for (let attack = waiting.shift(); attack; attack = waiting.shift()) {
            const patience = attack.browser ? NO_ARRIVAL_DEADLINE : ARRIVAL_DEADLINE;
            const arrived = until(patience, () => house.bait.arrivals.some(named(attack.name)));
            const one = (tab, port) => visit(tab, house, attack, port, arrived).catch((error) => error);
            const [armed, guarded] = await Promise.all([one(tabs[0], house.bait.port), one(tabs[1], house.port)]);
            results.set(attack.name, { armed, guarded });
        }
        await Promise.all(tabs.map((tab) => tab.close()));
    });
    await Promise.all(crew);

    const log = await json(`${house.control}/log`);
    for (const attack of attacks) {
        const { armed, guarded } = results.get(attack.name);
        const wrong = judge(attack, armed, guarded, house.bait.arrivals, log, secrets);
        if (wrong === undefined) report.ok(attack.name);
        else report.fail(attack.name, wrong);
    }
    const after = await requests();
    if (after === before) report.ok("no-upstream-request-at-all");
    else report.fail("no-upstream-request-at-all", `${after - before} arrived`);
}

function judge(attack, armed, guarded, arrivals, log, secrets) {
    if (guarded instanceof Error) return `the page broke: ${guarded.message}`;
    if (armed instanceof Error) return `the page broke against no guard: ${armed.message}`;
    const through = log.filter(named(attack.name));
    if (through.length > 0) return `reached the portal: ${through.map(({ method, path }) => `${method} ${path}`)}`;
    const seen = guarded.join("\n");
    const leaked = secrets.filter((secret) => seen.includes(secret));
    if (leaked.length > 0) return `a secret was read: ${seen}`;
    // A page of the target's own origin may read the refusal; no other may read a byte.
    const ownOrigin = attack.from === "rebound" || attack.from === "typed";
    if (!ownOrigin && guarded.length > 0) return `read ${seen}`;
    const came = arrivals.some(named(attack.name));
    if (attack.browser) return came ? "the browser let it through after all: take its `browser` out" : undefined;
    if (!came) return "no attack: nothing arrived without a guard either";
    if (attack.reads && armed.length === 0) return "no attack: nothing could be read without a guard either";
    return undefined;
}

async function main() {
    const { values } = parseArgs({
        options: { proxy: { type: "string" }, control: { type: "string" }, allowing: { type: "string" } },
    });
    assert.ok(values.proxy && values.control, "--proxy and --control are needed");
    const house = {
        proxy: values.proxy.replace(/\/$/, ""),
        port: Number(new URL(values.proxy).port),
        control: values.control.replace(/\/$/, ""),
        allowing: values.allowing?.replace(/\/$/, ""),
        attacker: await attacker.start(attacks),
        bait: await bait.start(),
        scratch: fs.mkdtempSync(path.join(os.tmpdir(), "portunus-pages-")),
    };
    const here = `127.0.0.1:${house.attacker.port}`;
    const { browser, close } = await chromium.start({
        resolve: [
            `MAP evil.example ${here}`,
            `MAP localhost:5173 ${here}`,
            `MAP localhost:5174 ${here}`,
            "MAP rebind.example 127.0.0.1",
            "MAP localhost.evil.example 127.0.0.1",
        ],
    });
    const report = new Report();
    try {
        // First what must work: it signs the proxy in, so that what arrives upstream later is the attacks' own.
        await controls.run(browser, house, report);
        await attackAll(browser, house, report);
    } finally {
        await close();
        house.attacker.stop();
        house.bait.stop();
        fs.rmSync(house.scratch, { recursive: true, force: true });
    }
    console.log(`${report.passed} passed, ${report.failed} failed`);
    return report.failed === 0 ? 0 : 1;
}

main().then(
    (code) => process.exit(code),
    (error) => {
        console.error(error);
        console.log(`FAILED run: ${error.message.replace(/\s+/g, " ")}`);
        process.exit(1);
    },
);
