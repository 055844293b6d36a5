// The attacker's own server, and the page around each attack's script.
"use strict";

const http = require("node:http");

const WEB = "/web/v1/tenant";

// What an attack's script has: `at(path)` is a URL of the target that carries the attack's name, `read(x)` is what it
// got hold of, `element(html)` puts something into the page and waits until it loaded or failed, `framed` runs a script in
// a frame of another kind, `gone(window)` waits until a window is no longer ours to look into.
const library = (name, target) => `
    const loot = [], troubles = [];
    const TARGET = ${JSON.stringify(target)}, ATTACK = ${JSON.stringify(name)};
    const at = (path) => TARGET + "${WEB}" + path + (path.includes("?") ? "&" : "?") + "attack=" + ATTACK;
    const read = (what) => { if (String(what) !== "") loot.push(String(what)); };
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const json = (body) => ({
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    const element = (html) => new Promise((resolve) => {
        const box = document.createElement("div");
        box.innerHTML = html;
        const [it] = box.children;
        for (const event of ["load", "error", "loadeddata"]) it.addEventListener(event, () => resolve(it));
        setTimeout(() => resolve(it), 20_000);
        document.body.append(it);
    });
    const message = (from) => new Promise((resolve, reject) => {
        from.addEventListener("message", (event) => resolve(event.data));
        from.addEventListener("error", () => reject(new Error("it broke")));
        setTimeout(() => reject(new Error("silence")), 20_000);
    });
    const framed = (attributes, how, inner) => {
        const tell = 'const tell = (what) => parent.postMessage(String(what), "*"), silent = () => tell("");';
        const html = "<body><script>" + tell + inner + "</scr" + "ipt>";
        const frame = document.createElement("div");
        frame.innerHTML = "<iframe " + attributes + "></iframe>";
        const [it] = frame.children;
        if (how === "srcdoc") it.srcdoc = html;
        if (how === "data") it.src = "data:text/html," + encodeURIComponent(html);
        if (how === "blob") it.src = URL.createObjectURL(new Blob([html], { type: "text/html" }));
        document.body.append(frame);
        return message(window);
    };
    const gone = async (other) => {
        for (let n = 0; n < 400; n += 1) {
            try { void other.document.body.innerText; } catch { return; }
            await wait(50);
        }
    };
    const run = async (attack) => {
        try { await attack(); } catch (error) { troubles.push(String(error)); }
        globalThis.finished = true;
    };
`;

// A script inside HTML must not end it.
const inline = (script) => script.replaceAll("</script", "<\\/script");

function page(attack, target) {
    const head = typeof attack.head === "function" ? attack.head(target) : "";
    const script = inline(`${library(attack.name, target)} run(async () => { ${attack.script ?? ""} });`);
    return `<!doctype html><html><head><title>${attack.name}</title>${head}</head><body><script>${script}</script></body></html>`;
}

function headersOf(attack, target) {
    return { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", ...attack.headers?.(target) };
}

// Paths: /page/NAME, /worker/NAME (the attack's second script), /redirect/CODE; each with ?target= or ?to=.
async function start(attacks) {
    const byName = new Map(attacks.map((attack) => [attack.name, attack]));
    const server = http.createServer((request, response) => {
        const url = new URL(request.url, "http://attacker");
        const [, what, name] = url.pathname.split("/");
        const target = url.searchParams.get("target");
        const attack = byName.get(name);
        if (what === "redirect") {
            response.writeHead(Number(name), {
                location: url.searchParams.get("to"),
                "access-control-allow-origin": request.headers.origin ?? "*",
            });
            response.end();
        } else if (what === "page" && attack) {
            response.writeHead(200, headersOf(attack, target));
            response.end(page(attack, target));
        } else if (what === "worker" && attack) {
            response.writeHead(200, { "content-type": "text/javascript", "service-worker-allowed": "/" });
            response.end(`${library(name, target)} ${attack.worker}`);
        } else if (what === "front") {
            response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>front end</title>");
        } else {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { port: server.address().port, stop: () => server.closeAllConnections() ?? server.close() };
}

module.exports = { headersOf, page, start };
