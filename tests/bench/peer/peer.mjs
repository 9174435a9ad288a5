// The peer our token endpoint is measured against: npm oidc-provider, one process, doing the same work for one client.
// It is set up to be as fast as it can be: keys are made once, no request ever reaches the store. Its introspection knows
// opaque tokens only, which it looks up in its own memory.
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const {
  PORT, TOKEN = 'es256', CLIENT_ID = 'bench', CLIENT_SECRET, RESOURCE = 'https://api.example.com', RESOURCE_JWK,
} = process.env;

if (!PORT || !CLIENT_SECRET || !['es256', 'nested', 'opaque'].includes(TOKEN)) {
  console.error('usage: PORT=n CLIENT_SECRET=s [TOKEN=es256|nested|opaque] [CLIENT_ID] [RESOURCE] [RESOURCE_JWK] node peer.mjs');
  process.exit(2);
}

const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwkOf = (key) => key.export({ format: 'jwk' });

// A CryptoKey is what jose works with inside: nothing is left to convert for each token.
const ecdhKey = (jwk) => crypto.subtle.importKey('jwk', jwk, { name: 'ECDH', namedCurve: 'P-256' }, false, []);

async function jwtFormat() {
  const sign = { alg: 'ES256' };
  if (TOKEN === 'es256') return { sign };
  const { kty, crv, x, y, kid } = RESOURCE_JWK ? JSON.parse(RESOURCE_JWK) : jwkOf(p256().publicKey);
  const key = await ecdhKey({ kty, crv, x, y });
  return { sign, encrypt: { alg: 'ECDH-ES+A256KW', enc: 'A256GCM', key, kid: kid ?? 'resource' } };
}

const resourceServer = {
  audience: RESOURCE,
  scope: 'read write',
  accessTokenFormat: TOKEN === 'opaque' ? 'opaque' : 'jwt',
  accessTokenTTL: 600,
  jwt: TOKEN === 'opaque' ? undefined : await jwtFormat(),
};

// JWT access tokens are never stored: an adapter that is asked to is a wrong set-up, and must not be measured.
class NoStore {
  async find() { return undefined; }
  async upsert(id) { throw new Error(`nothing should be stored, least of all ${id}`); }
}

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  adapter: TOKEN === 'opaque' ? undefined : NoStore, // opaque tokens live in its memory
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [{ ...jwkOf(p256().privateKey), use: 'sig', alg: 'ES256', kid: 'signing' }] },
  scopes: ['read', 'write'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: TOKEN === 'opaque' },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      getResourceServerInfo: () => resourceServer,
    },
  },
});

provider.on('server_error', (_ctx, error) => console.error(error));
provider.listen(Number(PORT), '127.0.0.1', () => console.log('ready'));
