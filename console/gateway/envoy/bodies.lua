-- The beginning of request and response bodies, for the record of the call. Only on routes of APIs that keep them.
--
-- Per route: LuaPerRoute.filter_context = {bytes = "2048"}: so much of each.
-- Dynamic metadata set: gatewright.request_body and gatewright.response_body, as data: URLs (RFC 2397) that say the type, and
-- what the body was encoded with, or its beginning in base64 (a record must be UTF-8, a body need not be);
-- gatewright.bodies = "yes" when there is either, by which the access log of such calls is chosen.
-- Chunks are looked at as they pass: none is held back, none is changed, and behind the last one that is wanted the script
-- has ended. A script error lets the call go on, and its record is that of a call without bodies.
local TEXT = {"^text/", "[/+]json$", "[/+]xml$", "/x%-www%-form%-urlencoded$", "[/-]ndjson$", "/json%-seq$", "/graphql$"}

local function is_text(kind)
  for _, pattern in ipairs(TEXT) do
    if kind:find(pattern) then return true end
  end
  return false
end

-- Wrapper objects die at a yield, and every chunk is one: the metadata is fetched anew each time.
local function note(h, name, value)
  local metadata = h:streamInfo():dynamicMetadata()
  metadata:set("gatewright", name, value)
  metadata:set("gatewright", "bodies", "yes")
end

local function keep(h, name)
  local headers = h:headers()
  local said, encoding = headers:get("content-type"), headers:get("content-encoding")
  if said == nil then
    local length = headers:get("content-length")
    if length ~= nil and length ~= "0" then note(h, name, "data:,") end
    return
  end
  local kind = said:match("^[^;]*"):lower():gsub("[^%w/.+_-]", ""):sub(1, 100)
  if encoding ~= nil and encoding:lower() ~= "identity" then
    return note(h, name, "data:" .. kind .. ";encoding=" .. encoding:gsub("[^%w.-]", ""):sub(1, 20) .. ",")
  end
  if not is_text(kind) then return note(h, name, "data:" .. kind .. ",") end
  local left = tonumber(h:filterContext():get("bytes") or "0")
  local parts, kept, noted = {}, 0, 0
  for chunk in h:bodyChunks() do
    local length = math.min(chunk:length(), left - kept)
    if length > 0 then
      parts[#parts + 1] = chunk:getBytes(0, length)
      kept = kept + length
    end
    if kept >= left then break end
    if kept >= 2 * noted + 1 then              -- a stream that the caller leaves has no end: so much is known of it then
      note(h, name, "data:" .. kind .. ";base64," .. h:base64Escape(table.concat(parts)))
      noted = kept
    end
  end
  if kept > noted then note(h, name, "data:" .. kind .. ";base64," .. h:base64Escape(table.concat(parts))) end
end

function envoy_on_request(h) keep(h, "request_body") end

function envoy_on_response(h) keep(h, "response_body") end
