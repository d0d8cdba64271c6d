// SPDX-License-Identifier: Apache-2.0
// What an answer about handovers changes in the store. Pure: each takes the state, and gives the changes.

import { ENDED } from "./handover-facts.js";

/** `page` is the newest of /v1/handovers: {document, next}. */
export function withNewest(state, { document, next }) {
  const found = document.handovers;
  const numbers = found.map((handover) => handover.number);
  const [oldest, newest] = [Math.min(...numbers), Math.max(...numbers)];
  // What is older than this page stays, and what was begun since; unless the controller has begun to count anew.
  const same = found.some((handover) => state.handovers.has(handover.id));
  const known = same ? [...state.handovers.values()] : [];
  const older = known.filter((handover) => handover.number < oldest);
  const kept = [...older, ...known.filter((handover) => handover.number > newest)];
  const handovers = new Map([...kept, ...found].map((handover) => [handover.id, handover]));
  return { handovers, handoversTotal: document.total, older: older.length > 0 ? state.older : next };
}

/** `page` is the one after the oldest that is here. What is here already is not older than it. */
export function withOlder(state, { document, next }) {
  const handovers = new Map([...document.handovers.map((handover) => [handover.id, handover]), ...state.handovers]);
  return { handovers, handoversTotal: document.total, older: next };
}

/** One of them, as it is now. */
export function withOne(state, handover) {
  const handovers = new Map(state.handovers).set(handover.id, handover);
  return { handovers, handoversTotal: changed(state.handoversTotal, handovers.size - state.handovers.size) };
}

/** The controller does not know it any more: what it came to, if it had not ended, nobody will tell. */
export function without(state, id) {
  const handover = state.handovers.get(id);
  if (handover === undefined || ENDED.has(handover.state)) return {};
  const handovers = new Map(state.handovers);
  handovers.delete(id);
  return { handovers, handoversTotal: changed(state.handoversTotal, -1) };
}

const changed = (total, by) => (total === null ? null : Math.max(0, total + by));

/** Those that go on in `before` and have ended in `after`. */
export function endedBetween(before, after) {
  return [...after.values()].filter((handover) => {
    const known = before.get(handover.id);
    return known !== undefined && known !== handover && !ENDED.has(known.state) && ENDED.has(handover.state);
  });
}
