// SPDX-License-Identifier: Apache-2.0
// Requests to the controller: token, entity tags, problem documents (docs/reference/rest.md).

const TOKEN_KEY = "castover-token";
const TIMEOUT_MS = 10_000;

/** The controller refused; `status` is the HTTP status, 0 when nobody answered. */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The token of this tab; "" when there is none. */
export function token() {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
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
 * GET a document: {document, changed, eventId, next}. `changed` is false when the controller says that it is what it was the
 * last time, which costs it next to nothing. Raises RequestError.
 */
export async function get(path) {
  const known = tags.get(path);
  const response = await send(path, { headers: known ? { "If-None-Match": known.tag } : {} });
  const eventId = response.headers.get("Castover-Event-Id") ?? "";
  if (response.status === 304 && known) return { ...known.answer, changed: false };
  if (!response.ok) throw await refusal(response);
  const answer = { document: await response.json(), changed: true, eventId, next: nextPage(response) };
  const tag = response.headers.get("ETag");
  if (tag) tags.set(path, { tag, answer });
  return answer;
}

/** POST or DELETE; the document that is answered. Raises RequestError. */
export async function act(method, path, body) {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const response = await send(path, { method, ...content });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

async function send(path, options) {
  const headers = { Accept: "application/json", ...authorization(), ...options.headers };
  try {
    return await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS), ...options, headers });
  } catch {
    throw new RequestError(0, "The controller does not answer.");
  }
}

async function refusal(response) {
  try {
    return new RequestError(response.status, (await response.json()).detail);
  } catch {
    return new RequestError(response.status, `The controller answered ${response.status}.`);
  }
}

function nextPage(response) {
  const found = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "");
  if (!found) return null;
  const url = new URL(found[1], location.href);
  return url.pathname + url.search;
}
