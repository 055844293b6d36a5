// The peer of the sealed workload: what one writes in Node, on undici, with this project's envelope.
// usage: node undici.js LISTEN_PORT UPSTREAM_PORT
const http = require('http');
const crypto = require('crypto');
const { Pool } = require('undici');

const [listen, upstream] = process.argv.slice(2).map(Number);
const env = process.env;
const key = Buffer.from(env.BENCH_KEY_HEX, 'hex');
const own = {
  'x-portal-access-code': env.BENCH_ACCESS_CODE,
  'x-client-hash': env.BENCH_CLIENT_HASH,
  'x-secure-channel-session-id': env.BENCH_SESSION_ID,
  authorization: `Bearer ${env.BENCH_BEARER}`,
};
const hop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'host', 'content-length']);
const pool = new Pool(`http://127.0.0.1:${upstream}`, { connections: 256, pipelining: 1, keepAliveTimeout: 600000, headersTimeout: 0, bodyTimeout: 0 });

function clean(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hop.has(name)));
}

function seal(plain) {
  const iv = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv('aes-256-gcm', key, iv);
  const payload = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return `{"v":2,"p":"${payload.toString('base64')}"}`;
}

function open(body) {
  const payload = Buffer.from(JSON.parse(body).p, 'base64');
  const decipher = crypto.createDecipheriv('aes-256-gcm', key, payload.subarray(0, 12));
  decipher.setAuthTag(payload.subarray(-16));
  return Buffer.concat([decipher.update(payload.subarray(12, -16)), decipher.final()]);
}

async function gather(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const server = http.createServer(async (request, response) => {
  try {
    const sealed = request.method === 'POST';
    const headers = { ...clean(request.headers), ...own };
    const body = sealed ? seal(await gather(request)) : null;
    const answer = await pool.request({ path: request.url, method: request.method, headers, body });
    const bytes = await gather(answer.body);
    const shown = sealed ? open(bytes) : bytes;
    response.writeHead(answer.statusCode, { ...clean(answer.headers), 'content-length': shown.length });
    response.end(shown);
  } catch (error) {
    response.writeHead(502);
    response.end(String(error));
  }
});
server.keepAliveTimeout = 600000;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.listen(listen, '127.0.0.1', 4096);
