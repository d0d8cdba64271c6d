// SPDX-License-Identifier: Apache-2.0
// All that the page knows, in one place. It changes by `update`; whoever draws is told once a frame.

/** What there is before anything has been heard. */
export function emptyState() {
  return {
    /** phase: connecting | live | away | token; retryAt: when the next try is, ms of performance.now(). */
    connection: { phase: "connecting", retryAt: null, problem: "" },
    /** {problem, retryAt} when the stream is there, and yet what it tells of cannot be read; see owed.js. */
    behind: null,
    /** Of /v1/access: false when this token may only look. */
    mayBegin: true,
    /** /v1/topology, or null. */
    topology: null,
    /** Of /v1/switches, or null. */
    switches: null,
    /** Of /v1/handovers, by id. */
    handovers: new Map(),
    /** How many the controller has, null before it has told; and the path of those that are older than what is here, or null. */
    handoversTotal: null,
    older: null,
    /** Of rates.js, or null before the first reading. */
    rates: null,
    /** Id of the handover that is shown; null: the newest. */
    selected: null,
  };
}

/** A store with `state`, `update(changes)` and `subscribe(draw)`. */
export function makeStore(schedule = (draw) => requestAnimationFrame(draw)) {
  let state = emptyState();
  let scheduled = false;
  const drawers = [];

  return {
    get state() {
      return state;
    },
    update(changes) {
      state = { ...state, ...changes };
      if (scheduled) return;
      scheduled = true;
      schedule(() => {
        scheduled = false;
        for (const draw of drawers) draw(state);
      });
    },
    subscribe(draw) {
      drawers.push(draw);
      draw(state);
    },
  };
}

/** Handovers, newest first. */
export const newestFirst = (handovers) => [...handovers.values()].sort((one, other) => other.number - one.number);

/** The handover that is shown, or undefined. */
export const shownHandover = (state) => state.handovers.get(state.selected) ?? newestFirst(state.handovers)[0];
