// What the scripts share: input, named checks, one JSON object out. Neither secrets nor tokens are ever printed.
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import * as jose from 'jose';

export const SIGN = ['ES256', 'RS256', 'PS256', 'EdDSA'];
export const KEYS = ['ECDH-ES+A256KW', 'ECDH-ES', 'RSA-OAEP-256', 'A256KW'];
export const CONTENT = ['A256GCM', 'A128GCM', 'A256CBC-HS512'];
export const UNKNOWN_GRANT = 'urn:example:unknown-grant';
const REVOKED_WITHIN_MS = 2000;

export const input = parse(await text(process.stdin));
const checks = [];

function parse(said) {
  try {
    return JSON.parse(said);
  } catch {
    process.stderr.write('FAILED input: standard input is not one JSON object\n'); // what it is may be secret
    return process.exit(1);
  }
}

/** Runs one named check; the first that fails ends the script with its name. */
export async function check(name, run) {
  try {
    const value = await run();
    checks.push(name);
    return value;
  } catch (error) {
    process.stderr.write(`FAILED ${name}: ${explain(error)}\n`, () => process.exit(1));
    return new Promise(() => {}); // nothing after it runs
  }
}

export function done(more = {}) {
  process.stdout.write(`${JSON.stringify({ ok: true, checks, ...more })}\n`);
}

function explain(error) {
  const said = [error.error, error.error_description].filter(Boolean).join(', ');
  const reason = error.cause?.reason ?? error.cause?.cause?.reason ?? error.cause?.message;
  return [error.message, said && `server: ${said}`, error.status && `status ${error.status}`, reason]
    .filter(Boolean)
    .join('; ');
}

/** The OAuth error code and status of an answer that must be a refusal. */
export async function refusal(response) {
  const body = await response.json();
  return `${response.status} ${body.error}`;
}

/** Asks until the token is inactive; a process may remember it for a moment. */
export async function becomesInactive(ask) {
  const end = Date.now() + REVOKED_WITHIN_MS;
  let last = await ask();
  while (last.active && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    last = await ask();
  }
  assert.deepEqual(last, { active: false });
}

/** A nested token as its API opens it: JWE with the API's own key, then the signed token inside, against the JWKS. */
export async function openNested(token, { private_jwk: jwk, audience }, { issuer, jwks_uri: jwksUri }) {
  assert.equal(token.split('.').length, 5, 'an encrypted token has five parts');
  const { alg } = jose.decodeProtectedHeader(token);
  const { plaintext, protectedHeader } = await jose.compactDecrypt(token, await jose.importJWK(jwk, alg), {
    keyManagementAlgorithms: KEYS,
    contentEncryptionAlgorithms: CONTENT,
  });
  assert.equal(protectedHeader.cty, 'JWT', 'cty of a nested token (RFC 7519 section 5.2)');
  assert.equal(protectedHeader.typ, 'at+jwt', 'typ of the outer header');
  if (jwk.kid) assert.equal(protectedHeader.kid, jwk.kid, 'kid of the outer header');
  const keys = jose.createRemoteJWKSet(new URL(jwksUri));
  const options = { issuer, audience, typ: 'at+jwt', algorithms: SIGN, requiredClaims: ['exp', 'jti', 'client_id'] };
  return (await jose.jwtVerify(new TextDecoder().decode(plaintext), keys, options)).payload;
}

export { assert, jose };
