// SPDX-License-Identifier: Apache-2.0
// The ladder diagram of one handover as geometry: lifelines, arrows at their real times, labels that do not overlap. Pure.

import { beginOf } from "./handover-facts.js";
import { messageOf } from "./messages.js";
import { spread, timeScale } from "./time-scale.js";

const HEAD = 34;
const FOOT = 22;
/** Room after the last message, on the same scale: how it goes on. */
const AFTER = 26;
const LABEL_GAP = 19;
const NARROW = 520;
const ROLES = ["MN", "p-MAG", "n-MAG", "LMA"];
/** Where the lifelines are closer than the words are wide. */
const SHORT_ROLES = ["MN", "p", "n", "LMA"];
const CLOSE = 44;

/**
 * {narrow, height, lifelines, steps, scale, away, traffic, labelRight}: everything in pixels of a drawing that is `width` wide
 * and `height` high. Moments are seconds since the begin of the handover.
 */
export function ladderLayout(handover, topology, width, height) {
  const narrow = width < NARROW;
  const begin = beginOf(handover) ?? 0;
  const moments = [0, ...handover.steps.map((step) => step.at - begin)];
  const scale = timeScale(moments, height - HEAD - FOOT - AFTER);
  const labelRight = narrow ? 111 : 204;
  const trafficWidth = narrow ? 20 : Math.min(64, (width - labelRight) * 0.115);
  const trafficLeft = width - 3 * trafficWidth - (narrow ? 2 : 44);
  const left = labelRight + (narrow ? 18 : 34);
  const right = trafficLeft - (narrow ? 22 : 44);
  const nodes = [handover.mn_id, handover.previous_mag, handover.new_mag, topology.lma.id];
  const apart = (right - left) / 3;
  const roles = apart < CLOSE ? SHORT_ROLES : ROLES;
  const lifelines = nodes.map((id, index) => ({ id, role: roles[index], x: left + apart * index }));

  const y = (moment) => HEAD + scale.y(moment);
  const steps = handover.steps.map((step) => stepOf(step, step.at - begin, y, lifelines, left));
  spread(steps.map((step) => step.y), LABEL_GAP, HEAD - 4, height - 12).forEach((place, index) => (steps[index].labelY = place));
  return {
    narrow, width, height, top: HEAD, bottom: height - FOOT, lifelines, steps, y, begin,
    end: scale.end, labelRight, away: awayOf(steps),
    breaks: scale.breaks.map((wait) => ({ ...wait, top: HEAD + wait.top, bottom: HEAD + wait.bottom })),
    ticks: scale.ticks(narrow ? 44 : 52).map((tick) => ({ ...tick, y: HEAD + tick.y })),
    traffic: { left: trafficLeft, width: trafficWidth, gap: narrow ? 4 : 8 },
  };
}

function stepOf(step, moment, y, lifelines, left) {
  const { kind } = messageOf(step);
  const xOf = (id) => lifelines.find((line) => line.id === id)?.x;
  const seenAt = xOf(step.node) ?? lifelines[1].x;
  const to = xOf(step.receiver) ?? seenAt;
  // What comes from outside of the picture (REST) enters it from the left.
  const from = xOf(step.sender) ?? Math.max(left - 12, to - 40);
  return { step, kind, moment, y: y(moment), from, to, seenAt, outside: xOf(step.sender) === undefined };
}

/** From when to when the mobile node had no link, as far as the steps tell: {from, to} in pixels, or null. */
function awayOf(steps) {
  const gone = steps.find((step) => step.step.name === "MN left");
  const back = steps.find((step) => step.step.name === "delivery" && (!gone || step.moment >= gone.moment));
  return gone ? { from: gone.y, to: back?.y ?? null, seconds: back ? back.moment - gone.moment : null } : null;
}
