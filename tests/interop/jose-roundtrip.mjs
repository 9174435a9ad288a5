// Tokens of others opened with npm jose, and tokens made with it for others to open. See README.md for the input.
import { CONTENT, KEYS, SIGN, check, done, input, jose } from './common.mjs';

const decode = (bytes) => new TextDecoder().decode(bytes);

/** What a key of a JWK, or of a JWK Set, verifies with; HS256 only where the key itself is a secret. */
async function verifier(jwk, alg) {
  if (jwk.keys) return { key: jose.createLocalJWKSet(jwk), algorithms: SIGN };
  return { key: await jose.importJWK(jwk, alg), algorithms: jwk.kty === 'oct' ? ['HS256'] : SIGN };
}

async function decrypted(token, jwk) {
  const { alg } = jose.decodeProtectedHeader(token);
  const allowed = { keyManagementAlgorithms: KEYS, contentEncryptionAlgorithms: CONTENT };
  return decode((await jose.compactDecrypt(token, await jose.importJWK(jwk, alg), allowed)).plaintext);
}

/** The claims; without `verify_jwk`, what the JWE held: an object when it is JSON, else the text. */
async function open({ token, decrypt_jwk: own, verify_jwk: theirs, issuer, audience }) {
  const inner = own ? await decrypted(token, own) : token;
  if (!theirs) {
    if (!own) throw new Error('neither decrypt_jwk nor verify_jwk');
    try {
      return JSON.parse(inner);
    } catch {
      return inner;
    }
  }
  const { key, algorithms } = await verifier(theirs, jose.decodeProtectedHeader(inner).alg);
  if (issuer || audience) return (await jose.jwtVerify(inner, key, { issuer, audience, algorithms })).payload;
  return JSON.parse(decode((await jose.compactVerify(inner, key, { algorithms })).payload));
}

async function make({ alg, enc, public_jwk: open_, secret_jwk: secret, header, plaintext }) {
  const jwe = new jose.CompactEncrypt(new TextEncoder().encode(plaintext));
  return jwe.setProtectedHeader({ ...header, alg, enc }).encrypt(await jose.importJWK(open_ ?? secret, alg));
}

async function sign({ alg, private_jwk: jwk, header, claims }) {
  return new jose.SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(await jose.importJWK(jwk, alg));
}

async function each(what, cases, run) {
  const results = {};
  for (const one of cases ?? []) results[one.name] = await check(`${what} ${one.name}`, () => run(one));
  return results;
}

done({
  opened: await each('open', input.open, open),
  made: await each('make', input.make, make),
  signed: await each('sign', input.sign, sign),
});
