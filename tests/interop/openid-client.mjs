// The client that most Node applications use, against a running authorization server. See README.md for the input.
import * as client from 'openid-client';
import { UNKNOWN_GRANT, assert, becomesInactive, check, done, input, jose, openNested } from './common.mjs';

const { issuer, basic, key, foreign, encrypted, audience, scope } = input;
const wanted = { resource: audience, scope };

function discover(clientId, authentication, metadata, ...execute) {
  const options = { algorithm: 'oauth2', execute: [client.allowInsecureRequests, ...execute] };
  return client.discovery(new URL(issuer), clientId, metadata, authentication, options);
}

/** `STATUS code` of the refusal that the call must end in. */
async function refused(call) {
  const error = await call.then(() => assert.fail('it was granted'), (reason) => reason);
  assert.ok(error.response, error.message);
  const code = error.error ?? (await error.response.json()).error; // after a challenge nobody has read the body
  return `${error.status} ${code}`;
}

const shop = await check('discovery', async () => {
  const config = await discover(basic.client_id, client.ClientSecretBasic(basic.client_secret));
  assert.equal(config.serverMetadata().issuer, issuer);
  return config;
});

const bearer = await check('ClientSecretBasic', async () => {
  const answer = await client.clientCredentialsGrant(shop, wanted);
  assert.equal(answer.token_type, 'bearer');
  assert.equal(answer.scope ?? scope, scope);
  assert.ok(answer.expiresIn() > 0);
  return answer.access_token;
});

await check('the token, by jose', async () => {
  const keys = jose.createRemoteJWKSet(new URL(shop.serverMetadata().jwks_uri));
  const { payload } = await jose.jwtVerify(bearer, keys, { issuer, audience, typ: 'at+jwt' });
  assert.deepEqual([payload.client_id, payload.scope], [basic.client_id, scope]);
});

await check('ClientSecretPost', async () => {
  const config = await discover(basic.client_id, client.ClientSecretPost(basic.client_secret));
  await client.clientCredentialsGrant(config, wanted);
});

await check('PrivateKeyJwt', async () => {
  const signer = { key: await jose.importJWK(key.private_jwk, key.alg), kid: key.private_jwk.kid };
  const named = { [client.modifyAssertion]: (header) => (header.alg = key.alg) };
  const config = await discover(key.client_id, client.PrivateKeyJwt(signer, named));
  const answer = await client.clientCredentialsGrant(config, wanted);
  assert.equal(jose.decodeJwt(answer.access_token).client_id, key.client_id);
});

await check('DPoP, asked again with the nonce', async () => {
  const statuses = [];
  shop[client.customFetch] = async (...asked) => {
    const response = await fetch(...asked);
    statuses.push(response.status);
    return response;
  };
  const DPoP = client.getDPoPHandle(shop, await client.randomDPoPKeyPair('ES256'));
  const answer = await client.clientCredentialsGrant(shop, wanted, { DPoP });
  assert.deepEqual(statuses, [400, 200]);
  assert.equal(answer.token_type, 'dpop');
  assert.deepEqual(jose.decodeJwt(answer.access_token).cnf, { jkt: await DPoP.calculateThumbprint() });
});

await check('tokenIntrospection', async () => {
  const said = await client.tokenIntrospection(shop, bearer);
  assert.deepEqual([said.active, said.client_id, said.scope], [true, basic.client_id, scope]);
});

await check('tokenIntrospection as a signed JWT', async () => {
  const [alg] = shop.serverMetadata().introspection_signing_alg_values_supported;
  const signed = { introspection_signed_response_alg: alg };
  const how = client.ClientSecretBasic(basic.client_secret);
  const config = await discover(basic.client_id, how, signed, client.enableNonRepudiationChecks);
  const kinds = [];
  config[client.customFetch] = async (...asked) => {
    const response = await fetch(...asked);
    kinds.push(response.headers.get('content-type'));
    return response;
  };
  const said = await client.tokenIntrospection(config, bearer); // and it checks the signature against the JWKS
  assert.match(kinds[0], /^application\/token-introspection\+jwt/);
  assert.equal(said.active, true);
});

await check('tokenIntrospection by a foreign client', async () => {
  const config = await discover(foreign.client_id, client.ClientSecretBasic(foreign.client_secret));
  assert.deepEqual(await client.tokenIntrospection(config, bearer), { active: false });
});

await check('tokenRevocation', async () => {
  await client.tokenRevocation(shop, bearer);
  await becomesInactive(() => client.tokenIntrospection(shop, bearer));
});

await check('wrong secret: invalid_client', async () => {
  const config = await discover(basic.client_id, client.ClientSecretBasic(`${basic.client_secret.slice(0, -1)}-`));
  assert.equal(await refused(client.clientCredentialsGrant(config, wanted)), '401 invalid_client');
});

await check('unknown scope: invalid_scope', async () => {
  const asked = client.clientCredentialsGrant(shop, { ...wanted, scope: 'no:such-scope' });
  assert.equal(await refused(asked), '400 invalid_scope');
});

await check('unknown resource: invalid_target', async () => {
  const asked = client.clientCredentialsGrant(shop, { resource: 'https://nowhere.example.org/api' });
  assert.equal(await refused(asked), '400 invalid_target');
});

await check('unknown grant: unsupported_grant_type', async () => {
  assert.equal(await refused(client.genericGrantRequest(shop, UNKNOWN_GRANT, {})), '400 unsupported_grant_type');
});

await check('nested: decrypted and verified', async () => {
  const { access_token: token } = await client.clientCredentialsGrant(shop, { resource: encrypted.audience });
  assert.equal((await openNested(token, encrypted, shop.serverMetadata())).client_id, basic.client_id);
});

done();
