// SPDX-License-Identifier: Apache-2.0
// What is read off one handover of /v1/handovers. Pure.

export const ENDED = new Set(["completed", "failed", "cancelled"]);
/** As long as it is in one of these it can be called off. */
export const CANCELLABLE = new Set(["requested", "initiated", "prepared", "joined", "cloned", "forwarding"]);

const LOST = ["overflow_dropped", "expired_dropped", "late_dropped", "released_undelivered", "send_failed"];
const COPIES = ["duplicates_dropped", "already_delivered"];

const WORDS = {
  requested: "asked for", initiated: "begun", prepared: "prepared", cloned: "cloned", joined: "joined",
  forwarding: "may leave", bound: "bound", delivered: "delivered", completed: "completed", failed: "failed",
  cancelled: "called off",
};

/** The state in a word. */
export const stateWord = (handover) => WORDS[handover.state] ?? handover.state;

/** good | bad | ended | busy: how the state is coloured. */
export function stateKind(handover) {
  if (handover.state === "completed") return "good";
  if (handover.state === "failed") return "bad";
  return handover.state === "cancelled" ? "ended" : "busy";
}

/** Seconds since 1970 that count as its begin: HO-Initiate, else the first thing known. */
export function beginOf(handover) {
  const first = handover.steps.find((step) => step.step === 1) ?? handover.steps[0];
  return first?.at ?? handover.started_at;
}

/** Seconds from its begin to its last step; null as long as that may not have come. */
export function durationOf(handover) {
  return handover.steps.length < 2 || !ENDED.has(handover.state) ? null : handover.steps.at(-1).at - beginOf(handover);
}

/** Seconds between two steps by name, or null. */
export function between(handover, from, to) {
  const at = (name) => handover.steps.find((step) => step.name === name)?.at;
  return at(from) === undefined || at(to) === undefined ? null : at(to) - at(from);
}

/** {lost, copies, why} as the new MAG's buffer counted them, or null as long as it has not told. */
export function packetsOf(handover) {
  if (Object.keys(handover.packets).length === 0) return null;
  const sum = (names) => names.reduce((total, name) => total + (handover.packets[name] ?? 0), 0);
  const why = LOST.filter((name) => handover.packets[name]).map((name) => `${name.replaceAll("_", " ")} ${handover.packets[name]}`);
  return { lost: sum(LOST), copies: sum(COPIES), why: why.join(", ") };
}

/** What somebody who cannot see the page is told when a handover has ended. */
export function outcome(handover, name) {
  const way = `Handover of ${name} from ${handover.previous_mag} to ${handover.new_mag}`;
  if (handover.state !== "completed") return `${way} ${stateWord(handover)}${handover.error ? `: ${handover.error}` : ""}.`;
  const duration = durationOf(handover);
  return `${way} completed${duration === null ? "" : ` in ${Math.round(duration * 1000)} milliseconds`}.`;
}
