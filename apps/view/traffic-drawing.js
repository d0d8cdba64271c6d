// SPDX-License-Identifier: Apache-2.0
// Packets over the time of one handover, beside the ladder and on its time axis: at the p-MAG, in the tunnel, at the n-MAG.

import { svg } from "./dom.js";
import { counted, rate } from "./format.js";

const COLUMNS = [
  { path: "previous_mag", kind: "native", title: "p-MAG", short: "p" },
  { path: "tunnel", kind: "tunnel", title: "tunnel", short: "t" },
  { path: "new_mag", kind: "delivery", title: "n-MAG", short: "n" },
];
/** The width of a column is so many times the steady rate; what comes faster out of the buffer is cut off, and counted. */
const FULL = 1.5;

/** Panel and columns as SVG elements; nothing for a handover of which the MAGs have not told yet. */
export function trafficDrawing(handover, layout) {
  const counts = new Map((handover.packets_over_time ?? []).map((one) => [one.path, one]));
  if (counts.size === 0) return [];
  const streams = ["previous_mag", "tunnel"].map((path) => counts.get(path)).filter(Boolean);
  const steady = Math.max(...(streams.length > 0 ? streams : [...counts.values()]).map(typical));
  const { left, width } = layout.traffic;
  return [
    hatching(),
    svg("rect", { class: "panel", x: left - 10, y: 0, width: 3 * width + 10, height: layout.height, rx: 8 }),
    svg("text", { class: "who", x: left, y: 11 }, layout.narrow ? "packets" : "packets a second at"),
    ...COLUMNS.flatMap((column, index) => drawColumn({ ...column, left: left + index * width, counts: counts.get(column.path) },
      steady, layout)),
    ...takenOver(handover, counts.get("new_mag"), layout),
  ];
}

function drawColumn({ counts, kind, title, short, left }, steady, layout) {
  const { top, bottom } = layout;
  const heads = [
    svg("text", { class: "role", x: left, y: 25 }, layout.narrow ? short : title),
    svg("line", { class: "life", x1: left, x2: left, y1: top, y2: bottom }),
  ];
  if (!counts) return heads;
  const room = layout.traffic.width - layout.traffic.gap;
  const cut = layout.breaks.map((wait) => meanBar(wait, counts, { left, room, kind, steady }, layout));
  const bars = counts.packets.flatMap((packets, slot) => bar(packets, slot, counts, { left, room, kind, steady }, layout));
  const usual = typical(counts);
  const number = layout.narrow || usual > FULL * steady ? null : svg("text", { class: "who", x: left, y: bottom + 15 }, rate(usual));
  return [...heads, ...cut, ...bars, number].filter(Boolean);
}

/** What came in a wait that is not drawn to scale: the mean of it, and paler. */
function meanBar(wait, counts, { left, room, kind, steady }, { begin }) {
  const inside = counts.packets.filter((_, slot) => {
    const from = counts.begins_at - begin + slot * counts.interval_s;
    return from >= wait.from && from + counts.interval_s <= wait.to;
  });
  const packets = inside.reduce((sum, one) => sum + one, 0);
  if (packets === 0) return null;
  const part = packets / (inside.length * counts.interval_s) / (FULL * steady);
  return svg("rect", { class: `bar mean ${kind}`, x: left + 1, y: wait.top, width: Math.min(1, part) * room, height: wait.bottom - wait.top },
    svg("title", {}, `${counted(packets, "packet")} meanwhile`));
}

function bar(packets, slot, counts, { left, room, kind, steady }, { top, bottom, y, begin, narrow }) {
  const from = counts.begins_at - begin + slot * counts.interval_s;
  const high = Math.max(top, y(Math.max(from, 0)));
  const low = Math.min(bottom, y(from + counts.interval_s));
  if (packets === 0 || low - high < 0.6) return [];
  const part = packets / counts.interval_s / (FULL * steady);
  const height = Math.max(0.8, low - high - 0.6);
  const words = `${counted(packets, "packet")} in ${(counts.interval_s * 1000).toFixed(0)} ms`;
  const drawn = svg("rect", { class: `bar ${kind}`, x: left + 1, y: high, width: Math.max(1.5, Math.min(1, part) * room), height },
    svg("title", {}, words));
  const burst = part > 1.4 && height > 11 && !narrow;
  return burst ? [drawn, svg("text", { class: "burst", x: left + 5, y: high + height / 2 + 4 }, String(packets))] : [drawn];
}

/** From the last packet out of the buffer on the n-MAG's switch delivers alone, and no agent sees its packets. */
function takenOver(handover, counts, layout) {
  if (!counts || handover.state !== "completed") return [];
  const from = layout.y(counts.begins_at - layout.begin + counts.packets.length * counts.interval_s);
  const left = layout.traffic.left + 2 * layout.traffic.width;
  const height = layout.bottom - from;
  if (height < 3) return [];
  return [svg("rect", { class: "taken-over", x: left + 1, y: from, width: (layout.traffic.width - layout.traffic.gap) / FULL, height,
    fill: "url(#hatching)" }, svg("title", {}, "From here on the switch delivers by itself"))];
}

function hatching() {
  return svg("defs", {}, svg("pattern", { id: "hatching", class: "delivery", width: 5, height: 5, patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)" }, svg("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 5 })));
}

/** The median of the intervals in which anything came, in packets a second. */
function typical(counts) {
  const busy = counts.packets.filter((packets) => packets > 0).sort((one, other) => one - other);
  return busy.length === 0 ? 0 : busy[Math.floor(busy.length / 2)] / counts.interval_s;
}
