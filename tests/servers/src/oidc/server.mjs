// oidc-provider as tests want it. `node server.mjs SETTINGS` reads the JSON file that oidc.rs writes. Below /control, which no
// client knows, tests turn keys over, replace answers and look at what was asked for.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const library = `${settings.modules}/oidc-provider/lib`;
const { Provider } = await import(`${library}/index.js`);
const { default: Memory } = await import(`${library}/adapters/memory_adapter.js`);

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
let accounts = settings.accounts;
let answers = {};
let asked = {};
let key;
let handle;

// Grants live in the memory of this process, whatever the keys are: a login that is under way goes on.
function turnOver() {
  key = settings.alg.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const jwk = { ...key.export({ format: 'jwk' }), use: 'sig', alg: settings.alg, kid: randomUUID() };
  const provider = new Provider(settings.issuer, configuration(jwk));
  handle = provider.callback();
}

function configuration(jwk) {
  return {
    jwks: { keys: [jwk] },
    adapter: (model) => new Memory(model),
    clients: settings.clients.map((client) => ({
      id_token_signed_response_alg: settings.alg,
      grant_types: [DEVICE, 'authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/callback', 'http://127.0.0.1/'],
      application_type: 'native',
      token_endpoint_auth_method: client.client_secret ? 'client_secret_basic' : 'none',
      ...client,
    })),
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    claims: settings.claims,
    conformIdTokenClaims: settings.claims_by_userinfo,
    features: { deviceFlow: { enabled: settings.device_flow }, devInteractions: { enabled: true } },
    ttl: settings.lifetimes,
    cookies: { keys: ['a test'] },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
    findAccount: (_, sub) => accounts[sub] && { accountId: sub, claims: () => ({ ...accounts[sub], sub }) },
    clientBasedCORS: () => false,
  };
}

async function control(request, response) {
  let body = '';
  for await (const part of request) body += part;
  const wish = body ? JSON.parse(body) : {};
  if (wish.turn_over) turnOver();
  if (wish.accounts) accounts = wish.accounts;
  if (wish.answers) answers = wish.answers;
  const pem = key.export({ type: key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'sec1', format: 'pem' });
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ asked, key: pem }));
}

function serve(request, response) {
  const path = request.url.split('?')[0];
  if (path === '/control') return control(request, response);
  asked[path] = (asked[path] ?? 0) + 1;
  const answer = answers[path];
  if (!answer) return handle(request, response);
  if (answer.never) return undefined;
  response.writeHead(answer.status, answer.headers);
  if (answer.forever) {
    const part = 'x'.repeat(65536);
    const more = () => { while (!response.destroyed && response.write(part)); };
    response.on('drain', more);
    return more();
  }
  return response.end(answer.body);
}

turnOver();
const server = settings.tls ? https.createServer(settings.tls, serve) : http.createServer(serve);
server.listen(settings.port, '127.0.0.1');
