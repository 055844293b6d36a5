// A proxy without a guard: it takes every request and lets every page read the answer. An attack that gets nothing
// out of it is no attack, and its page proves nothing about a proxy that refuses.
"use strict";

const { createHash } = require("node:crypto");
const http = require("node:http");

const SECRET = "BAIT-1f6c2a";

const grants = ({ origin, ...asked }) => ({
    "access-control-allow-origin": origin ?? "*",
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": asked["access-control-request-method"] ?? "GET",
    "access-control-allow-headers": asked["access-control-request-headers"] ?? "x-none",
    "access-control-allow-private-network": "true",
    "access-control-allow-local-network": "true",
});

function answer(request, response) {
    const headers = grants(request.headers);
    const path = request.url.split("?")[0];
    if (path.endsWith("/events")) {
        response.writeHead(200, { ...headers, "content-type": "text/event-stream" });
        response.end(`event: tick\ndata: ${SECRET}\n\n`);
        return;
    }
    const types = { script: "text/javascript", style: "text/css", document: "text/html", iframe: "text/html" };
    const type = types[request.headers["sec-fetch-dest"]] ?? "application/json";
    response.writeHead(200, { ...headers, "content-type": type, "supports-loading-mode": "credentialed-prerender" });
    response.end(type === "text/javascript" ? `void "${SECRET}"` : JSON.stringify({ secret: SECRET }));
}

function shake(request, socket) {
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    socket.on("error", () => socket.destroy());
    socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
}

// Listens on every address of this machine, both families. `arrivals` are what came, preflights aside.
async function start() {
    const arrivals = [];
    const server = http.createServer((request, response) => {
        if (request.method === "OPTIONS") {
            response.writeHead(204, grants(request.headers)).end();
            return;
        }
        arrivals.push({ method: request.method, path: request.url, headers: request.headers });
        answer(request, response);
    });
    server.on("upgrade", (request, socket) => {
        arrivals.push({ method: request.method, path: request.url, headers: request.headers });
        shake(request, socket);
    });
    await new Promise((resolve) => server.listen(0, "::", resolve));
    return { port: server.address().port, arrivals, stop: () => server.closeAllConnections() ?? server.close() };
}

module.exports = { SECRET, start };
