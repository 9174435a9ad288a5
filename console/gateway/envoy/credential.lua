-- Credentials of a request: 'jws' goes on as it is, a JWE, an API key or the caller's certificate is exchanged at the
-- console for the signed token inside it, or that stands for it. Behind this filter jwt_authn checks every token alike.
--
-- A DPoP-bound token (RFC 9449) is judged by the console for each call, because each proof is good once.
--
-- Per route: LuaPerRoute.filter_context = {audience = "...", accepts = "jws jwe key cert", dpop = "off|optional|required",
-- closures = how often an encryption key of this API was revoked: what was remembered under another number is void}
-- Dynamic metadata set: gatewright.credential = jws | jwe | key | cert | dpop, gatewright.reason when this filter refuses,
-- gatewright.keeps = what the backend gets as Authorization, where only the API can open it.
-- A script error lets the request go on: then Authorization holds no signed token or `credential` is not set,
-- and jwt_authn or the rbac filter `access` refuse it.
--
-- One table per worker thread. `good` holds at most 2*N exchanged credentials, `bad` at most 2*M refusals.
local N, M = 10000, 2000
local BAD_TTL = 2                       -- seconds a refusal is remembered
local MAX_TOKEN, MAX_KEY, MAX_PROOF = 16384, 256, 4096   -- characters
local TIMEOUT = 5000                    -- ms for one call of the console
local CLUSTER = "console_decisions"
local ASKED = {jwe = "Encrypted tokens are opened", key = "API keys are checked", cert = "Certificates are checked", dpop = "DPoP proofs are checked"}

-- A cache of two generations: when the young one is full the old one is dropped.
local function generations(limit)
  local young, old, n = {}, {}, 0
  local cache = {}
  function cache.put(key, entry)
    if young[key] == nil then
      if n >= limit then old, young, n = young, {}, 0 end
      n = n + 1
    end
    young[key] = entry
  end
  function cache.get(key, now)
    local entry = young[key]
    if entry == nil then
      entry = old[key]
      if entry == nil then return nil end
      cache.put(key, entry)
    end
    if now < entry.till then return entry end
    return nil
  end
  return cache
end

local good, bad = generations(N), generations(M)

local function note(h, key, value) h:streamInfo():dynamicMetadata():set("gatewright", key, value) end

local function refuse(h, status, reason, title, detail, challenge)
  note(h, "reason", reason)
  local answer = {
    [":status"] = status,
    ["content-type"] = "application/problem+json",
    ["cache-control"] = "no-store",
  }
  if challenge then answer["www-authenticate"] = challenge end
  if status == "503" then answer["retry-after"] = "1" end
  -- every argument is a constant of this file or checked: nothing needs JSON escapes
  h:respond(answer, '{"type":"urn:gatewright:problem:' .. reason .. '","title":"' .. title .. '","status":' .. status ..
    ',"detail":"' .. detail .. '","request_id":"' .. (h:headers():get("x-request-id") or "") .. '"}')
end

local function invalid(h, reason, title, detail)
  refuse(h, "401", reason, title, detail, 'Bearer error="invalid_token", error_description="' .. detail .. '"')
end

local function invalid_proof(h, detail)
  refuse(h, "401", "malformed_proof", "The DPoP proof is missing or malformed", detail,
    'DPoP error="invalid_dpop_proof", error_description="' .. detail .. '"')
end

local function pass_on(h, e)
  note(h, "reason", e.reason)
  local answer = {[":status"] = e.status, ["content-type"] = e.content_type, ["cache-control"] = "no-store"}
  if e.challenge then answer["www-authenticate"] = e.challenge end
  h:respond(answer, e.body)
end

local function address(h) return (h:streamInfo():downstreamRemoteAddress():gsub(":%d+$", ""):gsub("[%[%]]", "")) end

local function recall(h, key, now)
  local e = good.get(key, now)
  if e ~= nil and e.closures == h:filterContext():get("closures") then return e end
  return nil
end

-- Puts the signed token of `secret` into the request. Every wrapper object (headers, metadata) dies at the
-- yield of httpCall: fetch it again afterwards.
-- `once` (more headers for the console): an answer that is good for this call only.
local function exchange(h, kind, path, cache_key, secret, audience, sent, once)
  note(h, "credential", kind)
  local now = os.time()
  local e = not once and recall(h, cache_key, now) or nil
  local from, from_here = nil, nil
  if e == nil then
    from = address(h)
    from_here = cache_key .. "\n" .. from
    e = not once and recall(h, from_here, now) or nil
  end
  if e == nil then
    -- what is refused to one address, or at one API, may be allowed to another
    local refused_here = from_here .. "\n" .. audience
    local refused = not once and bad.get(refused_here, now)
    if refused then return pass_on(h, refused) end
    local ask, closures = once or {}, h:filterContext():get("closures")
    ask[":method"], ask[":path"], ask[":authority"], ask["content-type"] = "POST", path, "console", "text/plain"
    ask["x-gatewright-audience"], ask["x-gatewright-address"] = audience, from
    ask["x-request-id"] = h:headers():get("x-request-id") or ""
    local answer, body = h:httpCall(CLUSTER, ask, secret, TIMEOUT)
    local status = answer[":status"]
    if status == "401" or status == "403" then
      e = {status = status, challenge = answer["www-authenticate"], body = body or "",
           reason = answer["x-gatewright-reason"] or "refused_by_console",
           content_type = answer["content-type"] or "application/problem+json", till = os.time() + BAD_TTL}
      if not once then bad.put(refused_here, e) end
      return pass_on(h, e)
    end
    local signed = answer["authorization"]
    if status ~= "200" or signed == nil then
      return refuse(h, "503", "console_unavailable", "The gateway cannot check this credential now",
        ASKED[kind] .. " by the console, which does not answer. Signed tokens still work. Try again in a moment.")
    end
    e = {signed = signed, keeps = answer["x-keeps"] ~= nil, closures = closures,
         till = os.time() + (tonumber(answer["x-ttl"]) or 0)}
    if e.till > os.time() and not once then
      good.put(answer["x-for-address"] and from_here or cache_key, e)
    end
  end
  if e.keeps then note(h, "keeps", sent) end
  h:headers():replace("authorization", e.signed)
end

-- The certificate that the caller showed in the TLS handshake, by which it also proved to have the private key.
local function certified(h, accepts, audience)
  local tls = h:streamInfo():downstreamSslConnection()
  local shown = tls ~= nil and tls:peerCertificatePresented() and tls:sha256PeerCertificateDigest() or ""
  if #shown == 64 then                                        -- no API key holds a colon
    return exchange(h, "cert", "/gateway/certificate", audience .. "\ncert:" .. shown, shown, audience, "")
  end
  if accepts == "cert" then
    return invalid(h, "certificate_missing", "A client certificate is needed", "Connect with the certificate that the application registered (mutual TLS).")
  end
end

-- Authorization: DPoP <token>, and a proof in the header DPoP.
local function bound(h, token, proof, proofs, context, audience)
  note(h, "credential", "dpop")
  local accepts = context:get("accepts") or ""
  if (context:get("dpop") or "off") == "off" then
    return invalid(h, "dpop_refused", "This API does not take DPoP-bound tokens", "Ask the token endpoint for a token without a proof, and send it as Bearer.")
  end
  local _, dots = token:gsub("%.", "")
  local kind = dots == 4 and "jwe" or "jws"
  if not accepts:find(kind, 1, true) then
    local reason = kind == "jwe" and "encrypted_token_refused" or accepts:find("jwe", 1, true) and "encryption_required" or "signed_token_refused"
    return invalid(h, reason, "This kind of token is not taken here", "Ask the token endpoint for a token for this API.")
  end
  if #token > MAX_TOKEN or token:find("[^%w%-_%.]") then
    return invalid(h, "malformed_token", "The access token is malformed", "The token is too long or has characters that no token has.")
  end
  if proofs ~= 1 or #proof > MAX_PROOF or proof:find("[^%w%-_%.]") then
    return invalid_proof(h, "Send one proof for this request, of at most 4096 characters, in the header DPoP.")
  end
  return exchange(h, "dpop", "/gateway/bound", "", token, audience, "DPoP " .. token, {
    ["x-gatewright-proof"] = proof, ["x-gatewright-method"] = h:headers():get(":method"),
    ["x-gatewright-path"] = h:headers():get(":path"):gsub("%?.*", ""),   -- no query: it may be too long for a header
  })
end

function envoy_on_request(h)
  local headers = h:headers()
  local key = headers:get("x-api-key")
  local keys = key and headers:getNumValues("x-api-key") or 0
  if key ~= nil then headers:remove("x-api-key") end          -- never to the backend
  local context = h:filterContext()
  local audience = context:get("audience") or ""
  local accepts = context:get("accepts") or ""
  local a = headers:get("authorization")

  if a == nil then
    if key == nil then                                        -- without a certificate jwt_authn says: token is missing
      if accepts:find("cert", 1, true) then return certified(h, accepts, audience) end
      return
    end
    if not accepts:find("key", 1, true) then
      return invalid(h, "key_refused", "This API does not take API keys", "Send an access token in the Authorization header instead of an API key.")
    end
    if keys ~= 1 or #key > MAX_KEY or #key == 0 or key:find("[^%w%-_%.]") then
      return invalid(h, "malformed_key", "The API key is malformed", "An API key has at most 256 letters, digits, dots, dashes and underscores, and is sent once.")
    end
    return exchange(h, "key", "/gateway/key", audience .. "\n" .. key, key, audience, "")
  end

  local proof = headers:get("dpop")
  local proofs = proof and headers:getNumValues("dpop") or 0
  if proof ~= nil then headers:remove("dpop") end
  if headers:getNumValues("authorization") ~= 1 or a:find(",", 1, true) then   -- Envoy joins repeated ones with a comma
    return invalid(h, "malformed_token", "The access token is malformed", "Send exactly one Authorization header.")
  end
  if a:sub(1, 5):lower() == "dpop " then return bound(h, a:sub(6), proof, proofs, context, audience) end
  local p, dots = 0, 0
  repeat p = a:find(".", p + 1, true); if p then dots = dots + 1 end until not p or dots > 4
  if dots ~= 4 or a:sub(1, 7):lower() ~= "bearer " then       -- a signed token and all the rest: jwt_authn decides
    note(h, "credential", "jws")
    return
  end
  if not accepts:find("jwe", 1, true) then
    return invalid(h, "encrypted_token_refused", "This API does not take encrypted tokens", "Ask the token endpoint for a signed token for this API.")
  end
  if #a > MAX_TOKEN or a:find("[^%w%-_%.]", 8) then
    return invalid(h, "malformed_token", "The access token is malformed", "The encrypted token is too long or has characters that no token has.")
  end
  local token = a:sub(8)
  return exchange(h, "jwe", "/gateway/unwrap", token, token, audience, a)
end
