// SPDX-License-Identifier: Apache-2.0
// Requests to the controller: token, entity tags, problem documents (docs/reference/rest.md).

const TOKEN_KEY = "castover-token";
const TIMEOUT_MS = 10_000;
/** Of paths whose last answers are kept. */
const TAGS_MAX = 100;

/** The controller refused; `status` is the HTTP status, 0 when there was no whole answer. */
export class RequestError extends Error {
  constructor(status, message, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The token of this tab; "" when there is none, or one that no request could carry. */
export function token() {
  try {
    const kept = sessionStorage.getItem(TOKEN_KEY) ?? "";
    return notOfTokens(kept) === "" ? kept : "";
  } catch {
    return "";
  }
}

/** What keeps a text from being a token (RFC 6750 section 2.1), in words; "" when nothing does. */
export function notOfTokens(text) {
  const found = /[^A-Za-z0-9._~+/=-]|=(?=[^=])/u.exec(text)?.[0] ?? "";
  return /^\s$/u.test(found) ? "a blank" : found && `“${found}”`;
}

/** Keep a token for as long as this tab is open. */
export function keepToken(text) {
  try {
    sessionStorage.setItem(TOKEN_KEY, text);
  } catch {
    // Then it is asked for again after a reload.
  }
  tags.clear();
}

/** Headers that every request has. */
export const authorization = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

const tags = new Map();

/**
 * GET a document: {document, next}. It is the very object of the last time when the controller says that it has not changed,
 * which costs it next to nothing. Raises RequestError and nothing else, also when `signal` ends it.
 */
export async function get(path, signal) {
  const known = tags.get(path);
  const response = await send(path, { headers: known ? { "If-None-Match": known.tag } : {} }, signal);
  if (response.status === 304 && known) return known.answer;
  if (!response.ok) throw await refusal(response);
  const answer = { document: await content(response), next: nextPage(response) };
  const tag = response.headers.get("ETag");
  tags.delete(path);
  if (tag) tags.set(path, { tag, answer });
  if (tags.size > TAGS_MAX) tags.delete(tags.keys().next().value);
  return answer;
}

/** POST or DELETE; the document that is answered. Raises RequestError. */
export async function act(method, path, body) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await send(path, { method, ...sent });
  if (!response.ok) throw await refusal(response);
  return content(response);
}

async function send(path, options, signal) {
  const headers = { Accept: "application/json", ...authorization(), ...options.headers };
  const ends = [AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])];
  try {
    return await fetch(path, { cache: "no-store", signal: AbortSignal.any(ends), ...options, headers });
  } catch {
    throw new RequestError(0, "The controller does not answer.");
  }
}

/** The body may be cut, stop half way, or be of a proxy that says 200 to everything. */
async function content(response) {
  try {
    return await response.json();
  } catch {
    throw new RequestError(0, "The controller's answer did not arrive whole.");
  }
}

/** What a refusal says, as an error. */
export async function refusal(response) {
  const document = await response.json().catch(() => null);
  const retryAfterMs = 1000 * Number(/^\d+$/.exec(response.headers.get("Retry-After") ?? "")?.[0] ?? 0);
  return new RequestError(response.status, document?.detail || `The controller answered ${response.status}.`, retryAfterMs);
}

function nextPage(response) {
  const found = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "");
  if (!found) return null;
  const url = new URL(found[1], location.href);
  return url.pathname + url.search;
}
