// SPDX-License-Identifier: Apache-2.0
// Keeps the store what the controller is. Events say that something has changed; what it is now is read from the resources,
// a few times a second at most, however much happens. Each resource is read for itself, one answer after the other, and an
// answer that fails is asked for again: no failure of one keeps another back, and none is forgotten (owed.js).

import { RequestError, get } from "./api.js";
import { followEvents } from "./event-stream.js";
import { ENDED } from "./handover-facts.js";
import { endedBetween, withNewest, withOlder, withOne, without } from "./handover-list.js";
import { owing } from "./owed.js";
import { linkRates } from "./rates.js";

const COALESCE_MS = 120;
const SAFETY_MS = 5_000;
const RATES_MS = 500;
const ONE_BY_ONE_MAX = 4;
const OWED_MAX = 50;
const [TOPOLOGY, SWITCHES, ACCESS, NEWEST, RATES] = [
  "/v1/topology", "/v1/switches", "/v1/access", "/v1/handovers?limit=50", "/v1/rates?limit=1000",
];
const ONE = "/v1/handovers/";
/** What an answer must have in it to be one; a handover has an id. */
const HAS = new Map([[TOPOLOGY, "mags"], [SWITCHES, "switches"], [ACCESS, "role"], [NEWEST, "handovers"], [RATES, "switches"]]);
const isOne = (path) => path.startsWith(ONE);

/**
 * Begin; returns {readOlder, retry}. `ended(handover)` is told of each handover that ends while the page looks, `failed(text)`
 * of what the reader asked for in vain.
 */
export function startSync(store, { ended, failed }) {
  let lastEventId = "";
  let timer = null;
  let olderUnderWay = false;
  /** From the opening of the event stream to its end. The next may be with another controller, or another token. */
  let session = null;

  const stream = followEvents({
    lastEventId: () => lastEventId,
    opened() {
      leave();
      session = { owed: owing(), abort: new AbortController() };
      store.update({ connection: { phase: "live", retryAt: null, problem: "" } });
      want(0, TOPOLOGY, SWITCHES, ACCESS, NEWEST);
    },
    heard(event) {
      if (event.id !== null) lastEventId = event.id;
      if (event.type === "gap") want(COALESCE_MS, TOPOLOGY, SWITCHES, ACCESS, NEWEST);
      else if (event.data) {
        const { handover_id: id } = JSON.parse(event.data).fields;
        want(COALESCE_MS, TOPOLOGY, SWITCHES, ...(id ? handover(id) : []));
      }
    },
    lost(error, retryAt) {
      leave();
      const phase = error.status === 401 ? "token" : "away";
      store.update({ connection: { phase, retryAt, problem: error.message } });
    },
  });

  /** Answers that are under way come to nothing from here on. */
  function leave() {
    clearTimeout(timer);
    session?.abort.abort();
    session = null;
    if (store.state.behind !== null) store.update({ behind: null });
  }

  function want(delay, ...paths) {
    if (session === null) return;
    for (const path of paths) session.owed.want(path, performance.now(), delay);
    pump();
  }

  /** What to read to know about one; for many of them there is the list. */
  function handover(id) {
    const path = ONE + encodeURIComponent(id);
    const others = session.owed.paths().filter((one) => isOne(one) && one !== path);
    if (others.length >= OWED_MAX) others.forEach((one) => session.owed.forget(one));
    return others.length >= ONE_BY_ONE_MAX ? [path, NEWEST] : [path];
  }

  function pump() {
    clearTimeout(timer);
    const now = performance.now();
    for (const path of beginnable(session.owed, now)) read(session, path, now);
    const behind = session.owed.behind(now);
    const before = store.state.behind;
    if (behind?.problem !== before?.problem || behind?.retryAt !== before?.retryAt) store.update({ behind });
    const next = session.owed.next(now);
    if (next !== null) timer = setTimeout(pump, next - now);
  }

  async function read(mine, path, now) {
    mine.owed.begin(path, now);
    try {
      const answer = await get(path, mine.abort.signal);
      if (mine !== session) return;
      take(path, answer, now);
      mine.owed.paid(path, performance.now(), COALESCE_MS);
    } catch (error) {
      if (mine !== session) return;
      if (isOne(path) && error.status === 404) {
        mine.owed.forget(path);
        tell(without(store.state, decodeURIComponent(path.slice(ONE.length))));
      } else {
        const known = error instanceof RequestError;
        mine.owed.failed(path, performance.now(), known ? error.message : "The controller's answer is of no use.", error.retryAfterMs);
        if (!known) reportError(error);
      }
    }
    pump();
  }

  function take(path, answer, asked) {
    const { document: found } = answer;
    if (!found?.[HAS.get(path) ?? "id"]) throw new RequestError(0, "Somebody else than the controller has answered.");
    if (path === TOPOLOGY) tell({ topology: found });
    else if (path === SWITCHES) tell({ switches: found.switches });
    else if (path === ACCESS) tell({ mayBegin: found.role === "trigger" });
    else if (path === RATES) tell({ rates: linkRates(store.state.topology, found.switches) });
    else if (path === NEWEST) takeNewest(answer, asked);
    else tell(withOne(store.state, found));
  }

  function takeNewest(answer, asked) {
    tell(withNewest(store.state, answer));
    const told = new Set(answer.document.handovers.map(({ id }) => id));
    for (const id of told) session.owed.told(ONE + encodeURIComponent(id), asked);
    // Of those beyond this page some may have ended without a word of it here, as after a gap.
    const open = [...store.state.handovers.values()].filter((one) => !told.has(one.id) && !ENDED.has(one.state));
    for (const { id } of open.slice(0, OWED_MAX)) session.owed.want(ONE + encodeURIComponent(id), performance.now());
  }

  /** Into the store, if it is news. */
  function tell(changes) {
    const before = store.state;
    if (Object.entries(changes).every(([name, value]) => before[name] === value)) return;
    store.update(changes);
    if (changes.handovers) endedBetween(before.handovers, changes.handovers).forEach(ended);
  }

  function readRates() {
    if (!document.hidden && store.state.topology !== null) want(0, RATES);
  }

  setInterval(readRates, RATES_MS);
  setInterval(() => want(0, TOPOLOGY, SWITCHES), SAFETY_MS);
  document.addEventListener("visibilitychange", readRates);

  return {
    async readOlder() {
      const [mine, path] = [session, store.state.older];
      if (mine === null || path === null || olderUnderWay) return;
      olderUnderWay = true;
      try {
        const answer = await get(path, mine.abort.signal);
        if (mine === session && store.state.older === path) tell(withOlder(store.state, answer));
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        failed(`No older handovers: ${error.message}`);
      } finally {
        olderUnderWay = false;
      }
    },
    retry: () => stream.again(),
  };
}

/** Of what is due. The list of handovers and single ones are never read at once: the later answer would not be the newer. */
function beginnable(owed, now) {
  const due = owed.due(now);
  const underWay = owed.underWay();
  const ones = underWay.filter(isOne).length;
  const others = due.filter((path) => path !== NEWEST && !isOne(path));
  if (underWay.includes(NEWEST)) return others;
  if (due.includes(NEWEST)) return ones === 0 ? [...others, NEWEST] : others;
  return [...others, ...due.filter(isOne).slice(0, ONE_BY_ONE_MAX - ones)];
}
