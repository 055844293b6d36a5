// What pages do to a server on localhost. `from` says where the page is from:
//
// - evil: http://evil.example, another site
// - neighbour: http://localhost on another port, the same site and a secure context
// - secure: https://secure.example, another site and a secure context
// - rebound: the page was loaded from a name that now points to this machine, and is of the target's own origin as the
//   browser sees it; `name` of the target can be another one than rebind.example
// - file: a page on the disk, of no origin
// - typed: no page at all, the address was typed or clicked in a mail
//
// `script` runs in the page (see attacker.cjs for what it has). Against a proxy without a guard a request must arrive,
// and with `reads` the page must read something, unless `browser` says why today's Chromium prevents it. `leaves`
// means that the page goes away, `litters` that it leaves windows or workers behind. Against the proxy nothing may arrive and nothing be read.
"use strict";

const evil = [
    // fetch and its elders
    { name: "fetch-no-cors", script: `await fetch(at("/profile"), { mode: "no-cors" });` },
    { name: "fetch-cors", reads: true, script: `read(await (await fetch(at("/profile"))).text());` },
    {
        name: "fetch-with-credentials",
        reads: true,
        script: `read(await (await fetch(at("/profile"), { credentials: "include" })).text());`,
    },
    {
        name: "fetch-post-json-as-text",
        script: `await fetch(at("/transfer"), { method: "POST", mode: "no-cors", body: '{"amount":1}' });`,
    },
    {
        name: "fetch-post-without-type",
        script: `await fetch(at("/transfer"), { method: "POST", mode: "no-cors", body: new Blob(['{"amount":1}']) });`,
    },
    {
        name: "fetch-post-json-preflight",
        reads: true,
        script: `read(await (await fetch(at("/transfer"), json({ amount: 1 }))).text());`,
    },
    {
        name: "fetch-delete-preflight",
        reads: true,
        script: `read((await fetch(at("/security/sessions"), { method: "DELETE" })).status);`,
    },
    {
        name: "fetch-own-headers-preflight",
        reads: true,
        script: `read((await fetch(at("/profile"), { headers: { authorization: "Bearer x", "x-client-hash": "y" } })).status);`,
    },
    {
        name: "fetch-loopback-address-space",
        reads: true,
        script: `read((await fetch(at("/profile"), { targetAddressSpace: "loopback" })).status);`,
    },
    {
        name: "fetch-login-initiate",
        script: `await fetch(at("/auth/login/initiate"), {
            method: "POST", mode: "no-cors", body: '{"email":"admin@example.com","password":"guess guess"}',
        });`,
    },
    {
        name: "fetch-form-data",
        script: `const form = new FormData(); form.append("file", new Blob(["x"]), "a.txt");
            await fetch(at("/upload"), { method: "POST", mode: "no-cors", body: form });`,
    },
    {
        name: "fetch-keepalive-while-leaving",
        leaves: true,
        script: `fetch(at("/transfer"), { method: "POST", mode: "no-cors", keepalive: true, body: "{}" });
            location.href = "about:blank";`,
    },
    { name: "fetch-no-referrer", script: `await fetch(at("/profile"), { mode: "no-cors", referrerPolicy: "no-referrer" });` },
    {
        name: "xhr-sync",
        reads: true,
        script: `const x = new XMLHttpRequest(); x.open("GET", at("/profile"), false); x.send(); read(x.responseText);`,
    },
    {
        name: "xhr-post-with-progress",
        reads: true,
        script: `await new Promise((resolve) => {
            const x = new XMLHttpRequest(); x.open("POST", at("/upload")); x.onloadend = resolve;
            x.upload.onprogress = () => {}; x.onload = () => read(x.responseText); x.send("data"); });`,
    },
    { name: "beacon", script: `navigator.sendBeacon(at("/transfer"), '{"amount":1}');` },
    {
        name: "beacon-json-preflight",
        script: `navigator.sendBeacon(at("/transfer"), new Blob(["{}"], { type: "application/json" }));`,
    },
    {
        name: "event-source",
        reads: true,
        script: `const s = new EventSource(at("/events"));
            await new Promise((resolve) => {
                s.addEventListener("tick", (event) => { read(event.data); resolve(); }); s.onerror = resolve; });
            s.close();`,
    },
    {
        name: "websocket",
        reads: true,
        script: `await new Promise((resolve) => {
            const s = new WebSocket(at("/ws").replace("http", "ws"));
            s.onopen = () => { read("open"); resolve(); }; s.onerror = resolve; });`,
    },
    {
        name: "websocket-with-protocol",
        script: `await new Promise((resolve) => {
            const s = new WebSocket(at("/ws").replace("http", "ws"), ["chat"]); s.onopen = resolve; s.onerror = resolve; });`,
    },

    // forms
    {
        name: "form-get",
        script: `await element('<iframe name="f"></iframe>');
            document.body.insertAdjacentHTML("beforeend", '<form target="f" action="' + at("/profile") + '"><input name="attack" value="form-get"></form>');
            document.forms[0].submit();`,
    },
    {
        name: "form-post",
        script: `await element('<iframe name="f"></iframe>');
            document.body.insertAdjacentHTML("beforeend", '<form method="post" target="f" action="' + at("/transfer") + '"><input name="amount" value="1"></form>');
            document.forms[0].submit();`,
    },
    {
        name: "form-multipart",
        script: `await element('<iframe name="f"></iframe>');
            document.body.insertAdjacentHTML("beforeend", '<form method="post" enctype="multipart/form-data" target="f" action="' + at("/upload") + '"><input name="file" value="x"></form>');
            document.forms[0].submit();`,
    },
    {
        name: "form-text-plain-json",
        script: `await element('<iframe name="f"></iframe>');
            document.body.insertAdjacentHTML("beforeend", '<form method="post" enctype="text/plain" target="f" action="' + at("/auth/password/change") + '"></form>');
            const input = document.createElement("input");
            input.name = '{"currentPassword":"correct horse battery","newPassword":"owned by me ';
            input.value = '"}';
            document.forms[0].append(input); document.forms[0].submit();`,
    },
    {
        name: "form-to-login-initiate",
        leaves: true,
        script: `document.body.insertAdjacentHTML("beforeend", '<form method="post" enctype="text/plain" action="' + at("/auth/login/initiate") + '"><input name="{}"></form>');
            document.forms[0].submit();`,
    },
    {
        name: "form-to-logout",
        leaves: true,
        script: `document.body.insertAdjacentHTML("beforeend", '<form method="post" action="' + at("/auth/logout") + '"></form>');
            document.forms[0].submit();`,
    },

    // elements
    { name: "img", script: `await element('<img src="' + at("/profile") + '">');` },
    { name: "img-srcset", script: `element('<img srcset="' + at("/profile") + ' 1x">');` },
    { name: "img-cors", script: `await element('<img crossorigin="use-credentials" src="' + at("/profile") + '">');` },
    { name: "input-image", script: `await element('<input type="image" src="' + at("/profile") + '">');` },
    {
        name: "script",
        script: `const s = document.createElement("script"); s.src = at("/profile"); document.head.append(s);
            await new Promise((resolve) => { s.onload = resolve; s.onerror = resolve; });`,
    },
    { name: "module-import", reads: true, script: `await import(at("/profile")); read("imported");` },
    { name: "stylesheet", script: `await element('<link rel="stylesheet" href="' + at("/profile") + '">');` },
    {
        name: "css-import",
        script: `element('<style>@import url("' + at("/profile") + '");</style>');`,
    },
    {
        name: "css-background",
        script: `element('<div style="background:url(' + at("/profile") + ')">x</div>');`,
    },
    {
        name: "css-mask",
        script: `element('<div style="mask-image:url(' + at("/profile") + ')">x</div>');`,
    },
    {
        name: "css-cursor",
        script: `element('<div style="cursor:url(' + at("/profile") + '),auto">x</div>');`,
    },
    {
        name: "css-font",
        script: `const font = new FontFace("f", "url(" + at("/download") + ")"); await font.load();`,
    },
    { name: "iframe", script: `const f = await element('<iframe src="' + at("/profile") + '"></iframe>'); read(f.contentDocument.body.innerText);` },
    { name: "object", script: `await element('<object data="' + at("/profile") + '"></object>');` },
    { name: "embed", script: `await element('<embed src="' + at("/profile") + '">');` },
    { name: "video", script: `element('<video src="' + at("/download") + '"></video>');` },
    { name: "audio", script: `element('<audio src="' + at("/download") + '"></audio>');` },
    {
        name: "track",
        script: `element('<video crossorigin><track default kind="captions" src="' + at("/profile") + '"></video>');`,
    },
    { name: "video-poster", script: `element('<video poster="' + at("/profile") + '"></video>');` },
    { name: "svg-image", script: `element('<svg><image href="' + at("/profile") + '"/></svg>');` },
    { name: "manifest", script: `element('<link rel="manifest" crossorigin href="' + at("/profile") + '">');`,
        browser: "a manifest is fetched when an application is installed" },
    { name: "icon", script: `element('<link rel="icon" href="' + at("/profile") + '">');`,
        browser: "there is no tab to show an icon in" },

    // navigation
    { name: "location", leaves: true, script: `location.href = at("/profile");` },
    { name: "navigation-api", leaves: true, script: `navigation.navigate(at("/profile"));` },
    { name: "location-replace", leaves: true, script: `location.replace(at("/profile"));` },
    { name: "meta-refresh", leaves: true, head: (target) => `<meta http-equiv="refresh" content="0;url=${target}/web/v1/tenant/profile?attack=meta-refresh">` },
    {
        name: "anchor-click",
        leaves: true,
        script: `const a = document.createElement("a"); a.href = at("/profile"); document.body.append(a); a.click();`,
    },
    {
        name: "anchor-download",
        leaves: true,
        script: `const a = document.createElement("a"); a.href = at("/profile"); a.download = "x"; document.body.append(a); a.click();`,
    },
    {
        name: "anchor-ping",
        script: `const a = document.createElement("a"); a.href = "#x"; a.ping = at("/transfer"); document.body.append(a); a.click();`,
    },
    {
        name: "window-open",
        litters: true,
        script: `const w = window.open(at("/profile")); await gone(w); read(w.document.body.innerText);`,
    },
    {
        name: "opener-tricks",
        litters: true,
        script: `addEventListener("message", (event) => read(event.data));
            const w = window.open(at("/profile"), "named"); await gone(w);
            w.postMessage("give me all", "*"); window.open("javascript:opener.read(document.body.innerText)", "named");`,
    },
    {
        name: "anchor-noopener",
        litters: true,
        script: `const a = document.createElement("a"); a.href = at("/profile"); a.target = "_blank"; a.rel = "noopener noreferrer";
            document.body.append(a); a.click();`,
    },
    {
        name: "iframe-then-location",
        script: `const f = await element('<iframe src="about:blank"></iframe>'); f.contentWindow.location = at("/profile"); await gone(f.contentWindow);
            read(f.contentDocument.body.innerText);`,
    },

    // over the attacker's own server
    {
        name: "redirect-302-fetch",
        script: `await fetch("/redirect/302?to=" + encodeURIComponent(at("/profile")), { mode: "no-cors" });`,
    },
    {
        name: "redirect-302-fetch-cors",
        reads: true,
        script: `read(await (await fetch("/redirect/302?to=" + encodeURIComponent(at("/profile")))).text());`,
    },
    {
        name: "redirect-307-post",
        script: `await fetch("/redirect/307?to=" + encodeURIComponent(at("/transfer")), { method: "POST", mode: "no-cors", body: "{}" });`,
    },
    { name: "redirect-img", script: `await element('<img src="/redirect/302?to=' + encodeURIComponent(at("/profile")) + '">');` },
    { name: "redirect-location", leaves: true, script: `location.href = "/redirect/302?to=" + encodeURIComponent(at("/profile"));` },
    {
        name: "redirect-307-form",
        leaves: true,
        script: `document.body.insertAdjacentHTML("beforeend", '<form method="post" action="/redirect/307?to=' + encodeURIComponent(at("/transfer")) + '"></form>');
            document.forms[0].submit();`,
    },

    // workers
    {
        name: "worker-fetch",
        reads: true,
        worker: `fetch(at("/profile")).then((a) => a.text()).then(postMessage, () => postMessage(""));`,
        script: `read(await message(new Worker("/worker/worker-fetch?target=" + encodeURIComponent(TARGET))));`,
    },
    {
        name: "worker-import-scripts",
        worker: `importScripts(at("/profile")); postMessage("imported");`,
        reads: true,
        script: `read(await message(new Worker("/worker/worker-import-scripts?target=" + encodeURIComponent(TARGET))));`,
    },
    {
        name: "shared-worker-fetch",
        litters: true,
        reads: true,
        worker: `onconnect = ({ ports: [port] }) =>
            fetch(at("/profile")).then((a) => a.text()).then((text) => port.postMessage(text), () => port.postMessage(""));`,
        script: `const w = new SharedWorker("/worker/shared-worker-fetch?target=" + encodeURIComponent(TARGET));
            const answer = message(w.port); w.port.start(); read(await answer);`,
    },

    // without an origin
    {
        name: "sandbox-fetch",
        reads: true,
        script: `read(await framed('sandbox="allow-scripts"', "srcdoc", 'fetch("' + at("/profile") + '").then((a) => a.text()).then(tell, silent)'));`,
    },
    {
        name: "sandbox-websocket",
        reads: true,
        script: `read(await framed('sandbox="allow-scripts"', "srcdoc",
            'const s = new WebSocket("' + at("/ws").replace("http", "ws") + '"); s.onopen = () => tell("open"); s.onerror = silent'));`,
    },
    {
        name: "sandbox-event-source",
        reads: true,
        script: `read(await framed('sandbox="allow-scripts"', "srcdoc",
            'const s = new EventSource("' + at("/events") + '"); s.addEventListener("tick", (event) => tell(event.data)); s.onerror = silent'));`,
    },
    {
        name: "sandbox-form",
        script: `framed('sandbox="allow-scripts allow-forms"', "srcdoc",
            'document.body.innerHTML = "<form method=post action=' + at("/transfer") + '></form>"; document.forms[0].submit()');`,
    },
    {
        name: "sandbox-same-origin-mode",
        browser: "a page of no origin has nothing of the same origin",
        script: `await framed('sandbox="allow-scripts"', "srcdoc", 'fetch("' + at("/profile") + '", { mode: "same-origin" }).then(tell, silent)');`,
    },
    {
        name: "data-url-fetch",
        reads: true,
        script: `read(await framed("", "data", 'fetch("' + at("/profile") + '").then((a) => a.text()).then(tell, silent)'));`,
    },
    {
        name: "data-url-post",
        script: `framed("", "data", 'fetch("' + at("/transfer") + '", { method: "POST", mode: "no-cors", body: "{}" })');`,
    },
    {
        name: "blob-url-fetch",
        reads: true,
        script: `read(await framed("", "blob", 'fetch("' + at("/profile") + '").then((a) => a.text()).then(tell, silent)'));`,
    },
    {
        name: "about-blank-fetch",
        reads: true,
        script: `const f = await element('<iframe src="about:blank"></iframe>');
            read(await (await f.contentWindow.fetch(at("/profile"))).text());`,
    },
    {
        name: "iframe-credentialless",
        script: `await element('<iframe credentialless src="' + at("/profile") + '"></iframe>');`,
    },

    // ahead of need, and reports
    { name: "prefetch", script: `element('<link rel="prefetch" href="' + at("/profile") + '">');` },
    { name: "preload", script: `element('<link rel="preload" as="fetch" crossorigin href="' + at("/profile") + '">');` },
    { name: "modulepreload", script: `element('<link rel="modulepreload" href="' + at("/profile") + '">');` },
    {
        name: "speculation-prefetch",
        litters: true,
        script: `const s = document.createElement("script"); s.type = "speculationrules";
            s.textContent = JSON.stringify({ prefetch: [{ urls: [at("/profile")], eagerness: "immediate" }] });
            document.head.append(s);`,
    },
    {
        name: "speculation-prerender",
        litters: true,
        script: `const s = document.createElement("script"); s.type = "speculationrules";
            s.textContent = JSON.stringify({ prerender: [{ urls: [at("/profile")], eagerness: "immediate" }] });
            document.head.append(s);`,
    },
    {
        name: "speculation-without-referrer",
        litters: true,
        script: `const s = document.createElement("script"); s.type = "speculationrules";
            s.textContent = JSON.stringify({ prefetch: [{ urls: [at("/profile")], eagerness: "immediate", referrer_policy: "no-referrer" }] });
            document.head.append(s);`,
    },
    {
        name: "link-header",
        headers: (target) => ({ link: `<${target}/web/v1/tenant/profile?attack=link-header>; rel=preload; as=image` }),
    },
    {
        name: "csp-report",
        headers: (target) => ({
            "content-security-policy": `img-src 'none'; report-uri ${target}/web/v1/tenant/transfer?attack=csp-report`,
        }),
        script: `await element('<img src="/x.png">');`,
    },
];

// The same site is no better than another: what listens on the next port is not us.
const neighbour = ["fetch-no-cors", "fetch-cors", "fetch-post-json-preflight", "websocket", "event-source", "form-post",
    "img", "iframe", "location", "window-open", "speculation-prerender", "beacon"];

const secure = ["fetch-no-cors", "fetch-cors", "fetch-post-json-preflight", "websocket", "event-source", "img",
    "location", "speculation-prefetch"];

const own = [
    {
        name: "service-worker-fetch",
        litters: true,
        from: "neighbour",
        reads: true,
        worker: `onmessage = async ({ source }) => {
            try { source.postMessage(await (await fetch(at("/profile"))).text()); } catch { source.postMessage(""); } };`,
        script: `await navigator.serviceWorker.register("/worker/service-worker-fetch?target=" + encodeURIComponent(TARGET), { scope: "/" });
            const { active } = await navigator.serviceWorker.ready;
            const answer = message(navigator.serviceWorker); active.postMessage("go"); read(await answer);`,
    },
    {
        name: "service-worker-redirects-navigation",
        from: "neighbour",
        litters: true,
        worker: `oninstall = () => skipWaiting(); onactivate = (event) => event.waitUntil(clients.claim());
            onfetch = (event) => { if (event.request.url.endsWith("/go")) event.respondWith(Response.redirect(at("/profile"))); };`,
        script: `const taken = new Promise((resolve) => { navigator.serviceWorker.oncontrollerchange = resolve; });
            await navigator.serviceWorker.register("/worker/service-worker-redirects-navigation?target=" + encodeURIComponent(TARGET), { scope: "/" });
            await taken; await element('<iframe src="/go"></iframe>');`,
    },
    {
        name: "cache-add",
        from: "neighbour",
        reads: true,
        script: `const cache = await caches.open("loot"); await cache.add(at("/profile"));
            read(await (await cache.match(at("/profile"))).text());`,
    },
    { name: "audio-worklet", from: "neighbour", script: `await new OfflineAudioContext(1, 1, 44100).audioWorklet.addModule(at("/profile"));` },
    { name: "paint-worklet", from: "neighbour", script: `await CSS.paintWorklet.addModule(at("/profile"));` },
    { name: "fetch-later", from: "neighbour", script: `fetchLater(at("/transfer"), { method: "POST", body: "{}", activateAfter: 0 });` },
    { name: "compression-dictionary", from: "neighbour", script: `element('<link rel="compression-dictionary" href="' + at("/profile") + '">');` },
    {
        name: "payment-manifest",
        from: "neighbour",
        script: `const total = { label: "x", amount: { currency: "USD", value: "1" } };
            await new PaymentRequest([{ supportedMethods: at("/profile") }], { total }).canMakePayment();`,
    },
    {
        name: "federated-identity",
        from: "neighbour",
        script: `navigator.credentials.get({ identity: { providers: [{ configURL: at("/profile"), clientId: "x", nonce: "1" }] } });`,
    },
    { name: "file-fetch", from: "file", reads: true, script: `read(await (await fetch(at("/profile"))).text());` },
    { name: "file-websocket", from: "file", reads: true, script: `await new Promise((resolve) => {
            const s = new WebSocket(at("/ws").replace("http", "ws"));
            s.onopen = () => { read("open"); resolve(); }; s.onerror = resolve; });` },
    { name: "file-img", from: "file", script: `await element('<img src="' + at("/profile") + '">');` },
];

// Other ways to write this machine's address.
const hosts = [
    ["0.0.0.0", "0.0.0.0"],
    ["unspecified-v6", "[::]"],
    ["short-127.1", "127.1"],
    ["decimal", "2130706433"],
    ["hexadecimal", "0x7f.0.0.1"],
    ["mapped-v6", "[::ffff:127.0.0.1]"],
    ["trailing-dot", "localhost."],
    ["upper-case", "LOCALHOST"],
    ["below-localhost", "evil.localhost"],
    ["localhost-of-another", "localhost.evil.example"],
    ["loopback-v4", "127.0.0.1"],
    ["loopback-v6", "[::1]"],
].map(([name, host]) => ({
    name: `address-${name}`,
    host,
    reads: true,
    script: `await fetch(at("/transfer"), { method: "POST", mode: "no-cors", body: "{}" });
        read(await (await fetch(at("/profile"))).text());`,
}));

// The browser takes the page for one of the target's own: no preflight, no Origin on a GET, everything readable.
const rebinding = [
    { name: "fetch", reads: true, script: `read(await (await fetch(at("/profile"))).text());` },
    { name: "post-json", reads: true, script: `read(await (await fetch(at("/transfer"), json({ amount: 1 }))).text());` },
    { name: "xhr", reads: true, script: `const x = new XMLHttpRequest(); x.open("GET", at("/profile"), false); x.send(); read(x.responseText);` },
    {
        name: "websocket",
        reads: true,
        script: `await new Promise((resolve) => {
            const s = new WebSocket(at("/ws").replace("http", "ws"));
            s.onopen = () => { read("open"); resolve(); }; s.onerror = resolve; });`,
    },
    {
        name: "event-source",
        reads: true,
        script: `const s = new EventSource(at("/events"));
            await new Promise((resolve) => {
                s.addEventListener("tick", (event) => { read(event.data); resolve(); }); s.onerror = resolve; });
            s.close();`,
    },
    {
        name: "iframe",
        reads: true,
        script: `const f = await element('<iframe src="' + at("/profile") + '"></iframe>'); read(f.contentDocument.body.innerText);`,
    },
    { name: "script", script: `const s = document.createElement("script"); s.src = at("/profile"); document.head.append(s);
            await new Promise((resolve) => { s.onload = resolve; s.onerror = resolve; });` },
    { name: "location", leaves: true, script: `location.href = at("/profile");` },
    {
        name: "worker",
        reads: true,
        script: `const code = 'fetch("' + at("/profile") + '").then(a => a.text()).then(postMessage, () => postMessage(""))';
            read(await message(new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))));`,
    },
].map((attack) => ({ ...attack, name: `rebind-${attack.name}`, from: "rebound", host: "rebind.example" }));

const likenesses = ["localhost.", "evil.localhost", "0.0.0.0", "localhost.evil.example"].map((host) => ({
    name: `rebind-at-${host}`,
    from: "rebound",
    host,
    reads: true,
    script: `read(await (await fetch(at("/transfer"), json({ amount: 1 }))).text());`,
}));

const typed = ["rebind.example", "localhost.", "evil.localhost", "0.0.0.0", "[::ffff:127.0.0.1]"].map((host) => ({
    name: `typed-${host}`,
    from: "typed",
    host,
}));

const byName = (name) => evil.find((attack) => attack.name === name);
const again = (names, from) =>
    names.map((name) => ({ ...byName(name), name: `${from}-${name}`, from, script: byName(name).script }));

module.exports = [
    ...evil.map((attack) => ({ from: "evil", ...attack })),
    ...again(neighbour, "neighbour"),
    ...again(secure, "secure"),
    ...own,
    ...hosts.map((attack) => ({ from: "evil", ...attack })),
    ...rebinding,
    ...likenesses,
    ...typed,
].map((attack) => ({ host: "localhost", ...attack, name: attack.name.replace(/[^a-z0-9.-]+/g, "-") }));
