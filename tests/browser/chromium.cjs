// A real Chromium, without a window and without talk of its own.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const puppeteer = require("puppeteer-core");

// Chromium's own protection of local networks is off: it asks the person, and is not in every browser. What is
// tested is what stands without it.
const OFF = [
    "LocalNetworkAccessChecks",
    "LocalNetworkAccessChecksWebSockets",
    "BlockInsecurePrivateNetworkRequests",
    "PrivateNetworkAccessSendPreflights",
    "HttpsUpgrades",
    "HttpsFirstBalancedMode",
    "OptimizationHints",
    "MediaRouter",
    "Translate",
];

const FLAGS = [
    "--no-sandbox",
    "--window-size=320,240",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--autoplay-policy=no-user-gesture-required",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    `--disable-features=${OFF.join(",")}`,
];

// `resolve` is a list of host-resolver rules. The profile is new, and gone when `close` is through.
async function start({ resolve = [], flags = [] } = {}) {
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "portunus-chromium-"));
    const browser = await puppeteer.launch({
        executablePath: execFileSync("sh", ["-c", "command -v chromium"]).toString().trim(),
        headless: true,
        pipe: true,
        defaultViewport: null,
        userDataDir: profile,
        args: [...FLAGS, ...(resolve.length > 0 ? [`--host-resolver-rules=${resolve.join(", ")}`] : []), ...flags],
    });
    const close = async () => {
        await browser.close();
        fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    };
    return { browser, close };
}

module.exports = { start };
