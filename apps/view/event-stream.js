// SPDX-License-Identifier: Apache-2.0
// Follows /v1/events. With fetch and not with EventSource, which can send no token and tells nobody when it tries again.

import { RequestError, authorization, refusal } from "./api.js";
import { backOff } from "./owed.js";

const SILENCE_MS = 40_000;

/** Cuts text as it comes into server-sent events; `take(text)` returns those that are whole. */
export function eventParser() {
  let rest = "";
  return {
    take(text) {
      const blocks = (rest + text).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      return blocks.map(parseBlock);
    },
  };
}

function parseBlock(block) {
  const event = { id: null, type: "message", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (name === "id") event.id = value;
    else if (name === "event") event.type = value;
    else if (name === "data") event.data += (event.data ? "\n" : "") + value;
  }
  return event;
}

/**
 * Follow the events for ever. `lastEventId()` is where to begin; `opened()` is called when the stream is there,
 * `heard(event)` for each event, `lost(error, retryAt)` when it is gone (retryAt: ms of performance.now()).
 */
export function followEvents({ lastEventId, opened, heard, lost }) {
  let failures = 0;
  let timer = null;
  let abort = null;

  async function run() {
    const current = (abort = new AbortController());
    let error = new RequestError(0, "The connection to the controller was lost.");
    try {
      await read(current, lastEventId(), () => {
        failures = 0;
        opened();
      }, heard);
    } catch (caught) {
      if (caught instanceof RequestError) error = caught;
    }
    if (current !== abort) return;
    const wait = backOff(++failures, error.retryAfterMs);
    timer = setTimeout(run, wait);
    lost(error, performance.now() + wait);
  }

  run();
  return {
    /** Try again now, with the token that there is now. */
    again() {
      clearTimeout(timer);
      abort?.abort();
      run();
    },
  };
}

async function read(abort, lastEventId, opened, heard) {
  let watch = null;
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => abort.abort(), SILENCE_MS);
  };
  alive();
  try {
    const resume = lastEventId ? { "Last-Event-ID": lastEventId } : {};
    const headers = { Accept: "text/event-stream", ...authorization(), ...resume };
    const response = await fetch("/v1/events", { headers, cache: "no-store", signal: abort.signal });
    if (!response.ok) throw await refusal(response);
    const parser = eventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    opened();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      for (const event of parser.take(value)) heard(event);
    }
  } finally {
    clearTimeout(watch);
    abort.abort();
  }
}
