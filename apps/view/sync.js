// SPDX-License-Identifier: Apache-2.0
// Keeps the store what the controller is. Events say that something has changed; what it is now is read from the resources,
// a few times a second at most, however much happens.

import { RequestError, get } from "./api.js";
import { followEvents } from "./event-stream.js";
import { ENDED } from "./handover-facts.js";
import { linkRates } from "./rates.js";

const COALESCE_MS = 120;
const SAFETY_MS = 5_000;
const RATES_MS = 500;
const ONE_BY_ONE_MAX = 4;
const PAGE = "/v1/handovers?limit=50";

/** Begin; returns {readOlder, retry}. `ended(handover)` is told of each handover that ends while the page looks. */
export function startSync(store, { ended }) {
  let lastEventId = "";
  let everything = true;
  const touched = new Set();
  let timer = null;
  let reading = false;
  let nextPage = null;

  const stream = followEvents({
    lastEventId: () => lastEventId,
    opened() {
      store.update({ connection: { phase: "live", retryAt: null, problem: "" } });
      everything = true;
      soon(0);
    },
    heard(event) {
      if (event.id !== null) lastEventId = event.id;
      if (event.type === "gap") everything = true;
      else if (event.data) touch(JSON.parse(event.data));
      else return;
      soon(COALESCE_MS);
    },
    lost(error, retryAt) {
      const phase = error.status === 401 ? "token" : "away";
      store.update({ connection: { phase, retryAt, problem: error.message } });
    },
  });

  function touch(event) {
    if (event.fields.handover_id) touched.add(event.fields.handover_id);
  }

  function soon(after) {
    if (timer !== null || reading) return;
    timer = setTimeout(async () => {
      timer = null;
      reading = true;
      await read();
      reading = false;
      if (touched.size > 0 || everything) soon(COALESCE_MS);
    }, after);
  }

  async function read() {
    const wanted = [...touched];
    const all = everything || wanted.length > ONE_BY_ONE_MAX;
    touched.clear();
    everything = false;
    try {
      const [topology, switches, handovers, access] = await Promise.all([
        get("/v1/topology"), get("/v1/switches"), all ? readPage() : readOnes(wanted), all ? readAccess() : {},
      ]);
      const changes = { ...handovers, ...access };
      if (topology.changed || all) changes.topology = topology.document;
      if (switches.changed || all) changes.switches = switches.document.switches;
      if (Object.keys(changes).length > 0) store.update(changes);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // Nobody there: the stream finds that out as well, and everything is read again when it is back.
      if (error.status !== 0) wanted.forEach((id) => touched.add(id));
    }
  }

  async function readAccess() {
    const { document: found } = await get("/v1/access");
    return { mayBegin: found.role === "trigger" };
  }

  async function readPage() {
    const page = await get(PAGE);
    nextPage = page.next;
    const found = page.document.handovers;
    // What is older than this page stays, unless the controller has begun to count anew.
    const oldest = Math.min(...found.map((handover) => handover.number));
    const same = found.some((handover) => store.state.handovers.has(handover.id));
    const kept = same ? [...store.state.handovers.values()].filter((handover) => handover.number < oldest) : [];
    if (kept.length > 0) nextPage = store.state.olderThere ? nextPage : null;
    return merged(new Map(kept.map((handover) => [handover.id, handover])), found, page.document.total, nextPage !== null);
  }

  async function readOnes(ids) {
    if (ids.length === 0) return {};
    const found = await Promise.all(ids.map((id) => get(`/v1/handovers/${encodeURIComponent(id)}`).catch(forgotten)));
    const present = found.filter((answer) => answer !== null).map((answer) => answer.document);
    const fresh = present.filter((handover) => !store.state.handovers.has(handover.id)).length;
    return merged(store.state.handovers, present, store.state.handoversTotal + fresh, store.state.olderThere);
  }

  function merged(known, found, total, olderThere) {
    const handovers = new Map(known);
    for (const handover of found) {
      const before = store.state.handovers.get(handover.id);
      handovers.set(handover.id, handover);
      if (before && !ENDED.has(before.state) && ENDED.has(handover.state)) ended(handover);
    }
    return { handovers, handoversTotal: total, olderThere };
  }

  async function readRates() {
    if (document.hidden || store.state.connection.phase !== "live" || store.state.topology === null) return;
    try {
      const { document: found } = await get("/v1/rates?limit=1000");
      store.update({ rates: linkRates(store.state.topology, found.switches) });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
  }

  setInterval(readRates, RATES_MS);
  setInterval(() => soon(0), SAFETY_MS);
  document.addEventListener("visibilitychange", readRates);

  return {
    async readOlder() {
      if (nextPage === null) return;
      const page = await get(nextPage);
      nextPage = page.next;
      store.update(merged(store.state.handovers, page.document.handovers, page.document.total, nextPage !== null));
    },
    retry: () => stream.again(),
  };
}

const forgotten = (error) => {
  if (error instanceof RequestError && error.status === 404) return null;
  throw error;
};
