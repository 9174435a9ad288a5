// The strictest client there is, against a running authorization server. See README.md for the input.
import * as oauth from 'oauth4webapi';
import { UNKNOWN_GRANT, assert, becomesInactive, check, done, input, jose, openNested, refusal } from './common.mjs';

const { issuer, basic, key, foreign, encrypted, audience, scope } = input;
const plain = { [oauth.allowInsecureRequests]: true }; // http:// on 127.0.0.1
const wanted = { resource: audience, scope };
const client = { client_id: basic.client_id };
const byHeader = oauth.ClientSecretBasic(basic.client_secret);

const request = (auth, params = wanted, who = client, more = {}) =>
  oauth.clientCredentialsGrantRequest(as, who, auth, params, { ...plain, ...more });

const tokenOf = async (response, who = client) => oauth.processClientCredentialsResponse(as, who, await response);

async function introspect(token, who = client, auth = byHeader) {
  const response = await oauth.introspectionRequest(as, who, auth, token, plain);
  return oauth.processIntrospectionResponse(as, who, response);
}

/** The request that a resource server would see, with a DPoP proof when a handle is given. */
async function arriving(token, DPoP) {
  const url = new URL('https://api.example.org/orders?page=1');
  let seen;
  const keep = (address, { method, headers }) => {
    seen = new Request(address, { method, headers });
    return new Response('{}', { headers: { 'content-type': 'application/json' } });
  };
  await oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, { DPoP, [oauth.customFetch]: keep });
  return seen;
}

const validate = (seen) => oauth.validateJwtAccessToken(as, seen, audience, plain);

const as = await check('discovery', async () => {
  const options = { algorithm: 'oauth2', ...plain };
  return oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options));
});

await check('metadata names what is offered', () => {
  const methods = as.token_endpoint_auth_methods_supported;
  for (const method of ['client_secret_basic', 'client_secret_post', 'private_key_jwt']) {
    assert.ok(methods?.includes(method), `token_endpoint_auth_methods_supported lacks ${method}`);
  }
  assert.ok(as.token_endpoint_auth_signing_alg_values_supported?.includes(key.alg), `${key.alg} for private_key_jwt`);
  assert.ok(as.dpop_signing_alg_values_supported?.includes('ES256'), 'dpop_signing_alg_values_supported');
  assert.ok(as.introspection_signing_alg_values_supported?.length, 'introspection_signing_alg_values_supported');
});

// Client authentication, and what is in the answer

const bearer = await check('client_secret_basic', async () => {
  const answer = await tokenOf(request(byHeader));
  assert.equal(answer.token_type, 'bearer');
  assert.equal(answer.scope ?? scope, scope);
  assert.ok(answer.expires_in > 0);
  return answer.access_token;
});

await check('client_secret_post', () => tokenOf(request(oauth.ClientSecretPost(basic.client_secret))));

await check('private_key_jwt', async () => {
  const who = { client_id: key.client_id };
  const signer = { key: await jose.importJWK(key.private_jwk, key.alg), kid: key.private_jwk.kid };
  // its aud is the issuer and nothing else (RFC 10070); Web Crypto calls EdDSA Ed25519
  const named = { [oauth.modifyAssertion]: (header) => (header.alg = key.alg) };
  const answer = await tokenOf(request(oauth.PrivateKeyJwt(signer, named), wanted, who), who);
  assert.equal(jose.decodeJwt(answer.access_token).client_id, key.client_id);
});

// The access token (RFC 9068), as a resource server validates it

await check('validateJwtAccessToken', async () => {
  const claims = await validate(await arriving(bearer));
  assert.equal(claims.client_id, basic.client_id);
  assert.equal(claims.scope, scope);
});

await check('an altered token is refused', async () => {
  const [header, , signature] = bearer.split('.');
  const payload = jose.base64url.encode(JSON.stringify({ ...jose.decodeJwt(bearer), scope: 'everything' }));
  await assert.rejects(validate(await arriving([header, payload, signature].join('.'))));
});

// DPoP (RFC 9449)

const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));

const bound = await check('DPoP with a nonce', async () => {
  const first = await request(byHeader, wanted, client, { DPoP });
  assert.ok(first.headers.get('dpop-nonce'), 'the first answer has a DPoP-Nonce');
  assert.equal(await refusal(first.clone()), '400 use_dpop_nonce');
  await assert.rejects(tokenOf(first), oauth.isDPoPNonceError);
  const answer = await tokenOf(request(byHeader, wanted, client, { DPoP })); // the handle has kept the nonce
  assert.equal(answer.token_type, 'dpop');
  return answer.access_token;
});

await check('cnf.jkt', async () => {
  assert.deepEqual(jose.decodeJwt(bound).cnf, { jkt: await DPoP.calculateThumbprint() });
});

await check('validateJwtAccessToken with a DPoP proof', async () => validate(await arriving(bound, DPoP)));

await check('a bound token without its proof is refused', async () => {
  await assert.rejects(validate(await arriving(bound)));
});

await check('a bound token with the proof of another key is refused', async () => {
  await assert.rejects(validate(await arriving(bound, oauth.DPoP(client, await oauth.generateKeyPair('ES256')))));
});

// Introspection (RFC 7662, RFC 9701) and revocation (RFC 7009)

await check('introspection', async () => {
  const said = await introspect(bearer);
  const { jti } = jose.decodeJwt(bearer);
  const { active, client_id, iss } = said;
  assert.deepEqual([active, said.jti, client_id, said.scope, iss], [true, jti, basic.client_id, scope, as.issuer]);
});

await check('introspection of a bound token', async () => {
  const said = await introspect(bound);
  assert.deepEqual([said.active, said.cnf], [true, { jkt: await DPoP.calculateThumbprint() }]);
});

await check('introspection as a signed JWT', async () => {
  const options = { ...plain, requestJwtResponse: true };
  const response = await oauth.introspectionRequest(as, client, byHeader, bearer, options);
  assert.match(response.headers.get('content-type'), /^application\/token-introspection\+jwt/);
  const said = await oauth.processIntrospectionResponse(as, client, response); // typ, alg, iss, aud, iat
  await oauth.validateApplicationLevelSignature(as, response, plain);
  assert.deepEqual([said.active, said.jti], [true, jose.decodeJwt(bearer).jti]);
});

await check('introspection by a foreign client', async () => {
  const said = await introspect(bearer, { client_id: foreign.client_id }, oauth.ClientSecretBasic(foreign.client_secret));
  assert.deepEqual(said, { active: false });
});

await check('revocation', async () => {
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, byHeader, bearer, plain));
  await becomesInactive(() => introspect(bearer));
});

// Error codes

await check('wrong secret: invalid_client', async () => {
  const response = await request(oauth.ClientSecretBasic(`${basic.client_secret.slice(0, -1)}-`));
  assert.match(response.headers.get('www-authenticate'), /^Basic/);
  assert.equal(await refusal(response), '401 invalid_client');
});

await check('unknown scope: invalid_scope', async () => {
  assert.equal(await refusal(await request(byHeader, { ...wanted, scope: 'no:such-scope' })), '400 invalid_scope');
});

await check('unknown resource: invalid_target', async () => {
  const response = await request(byHeader, { resource: 'https://nowhere.example.org/api' });
  assert.equal(await refusal(response), '400 invalid_target');
});

await check('unknown grant: unsupported_grant_type', async () => {
  const response = await oauth.genericTokenEndpointRequest(as, client, byHeader, UNKNOWN_GRANT, {}, plain);
  assert.equal(await refusal(response), '400 unsupported_grant_type');
});

// Encrypted tokens

await check('nested: decrypted and verified', async () => {
  const { access_token: token } = await tokenOf(request(byHeader, { resource: encrypted.audience }));
  assert.equal((await openNested(token, encrypted, as)).client_id, basic.client_id);
});

done();
