// SPDX-License-Identifier: Apache-2.0
// The account of what has changed at the controller and has not been read since: by path. Whatever way a read fails, what it
// was to tell stays owed, and is asked for again; only an answer pays. Pure: moments are given, in ms of performance.now().

/** Until the next try, after so many failures. */
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
const RETRY_AFTER_MAX_MS = 60_000;
/** What is owed for longer makes the page old, and the page has to say so. */
export const BEHIND_MS = 3_000;

/** How long to wait after so many failures in a row; never shorter than the controller has asked for (Retry-After). */
export function backOff(failures, retryAfterMs = 0) {
  return Math.max(RETRY_MS[Math.min(failures, RETRY_MS.length) - 1], Math.min(retryAfterMs, RETRY_AFTER_MAX_MS));
}

/** An account with nothing on it. */
export function owing() {
  const owed = new Map();

  return {
    /** There is something new at this path; ask `delay` ms from now. Tries that wait after a failure are not hastened. */
    want(path, now, delay = 0) {
      const found = owed.get(path);
      if (found === undefined) owed.set(path, { since: now, due: now + delay, begun: null, again: null, failures: 0, problem: "" });
      // The answer that is under way may have been made before this.
      else if (found.begun !== null) found.again ??= now;
      else if (found.failures === 0) found.due = Math.min(found.due, now + delay);
    },

    /** Paths that are owed. */
    paths: () => [...owed.keys()],
    /** Paths to be asked for now. */
    due: (now) => [...owed].filter(([, one]) => one.begun === null && one.due <= now).map(([path]) => path),
    /** Paths whose answers are under way. */
    underWay: () => [...owed].filter(([, one]) => one.begun !== null).map(([path]) => path),

    /** It is asked for. */
    begin(path, now) {
      owed.get(path).begun = now;
    },

    /** The answer has come. What was wanted meanwhile is owed from then on. */
    paid(path, now, delay) {
      const { again } = owed.get(path);
      owed.delete(path);
      if (again !== null) owed.set(path, { since: again, due: now + delay, begun: null, again: null, failures: 0, problem: "" });
    },

    /** An answer to something else, asked for at `asked`, has told this as well. */
    told(path, asked) {
      const found = owed.get(path);
      if (found && found.begun === null && found.since <= asked) owed.delete(path);
    },

    /** There was no answer, or none of use. */
    failed(path, now, problem, retryAfterMs) {
      const found = owed.get(path);
      found.failures += 1;
      Object.assign(found, { begun: null, again: null, problem, due: now + backOff(found.failures, retryAfterMs) });
    },

    /** It is not owed any more. */
    forget: (path) => owed.delete(path),

    /** {problem, retryAt} of what is owed for too long, or null; retryAt null: the answer is under way. */
    behind(now) {
      const late = [...owed.values()].filter((one) => now - one.since >= BEHIND_MS);
      if (late.length === 0) return null;
      const worst = late.reduce((one, other) => (other.failures > one.failures ? other : one));
      return { problem: worst.problem || "The controller is slow to answer.", retryAt: worst.begun === null ? worst.due : null };
    },

    /** When `due` or `behind` will say something new, if nothing else happens; null: never. */
    next(now) {
      const moments = [...owed.values()].flatMap((one) => [...(one.begun === null ? [one.due] : []), one.since + BEHIND_MS]);
      return moments.filter((at) => at > now).reduce((first, at) => (first === null ? at : Math.min(first, at)), null);
    },
  };
}
