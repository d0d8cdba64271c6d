// SPDX-License-Identifier: Apache-2.0
// Packets over the time of one handover, beside the ladder and on its time axis: at the p-MAG, in the tunnel, at the n-MAG.

import { svg } from "./dom.js";
import { rate } from "./format.js";

const COLUMNS = [
  { path: "previous_mag", kind: "native", title: "p-MAG", short: "p" },
  { path: "tunnel", kind: "tunnel", title: "tunnel", short: "t" },
  { path: "new_mag", kind: "delivery", title: "n-MAG", short: "n" },
];

/** The three columns as SVG elements, and the words for those who cannot see them. */
export function trafficDrawing(handover, layout) {
  if (!handover.traffic) return [];
  const found = COLUMNS.map((column) => ({ ...column, counts: handover.traffic.find((one) => one.path === column.path) }));
  const peak = Math.max(1, ...found.flatMap(({ counts }) => (counts ? steady(counts) : [])));
  const { left, width } = layout.traffic;
  return [
    svg("rect", { class: "panel", x: left - 10, y: 0, width: 3 * width + 10, height: layout.height, rx: 8 }),
    svg("text", { class: "who", x: left, y: 11 }, layout.narrow ? "packets" : "packets a second at"),
    ...found.flatMap((column, index) => drawColumn(column, index, peak, layout)),
  ];
}

/** What most intervals are at or below: a burst out of the buffer must not make everything else invisible. */
function steady(counts) {
  const rates = counts.packets.filter((packets) => packets > 0).map((packets) => packets / counts.interval_s).sort((a, b) => a - b);
  return rates.length === 0 ? [] : [rates[Math.floor(rates.length * 0.8)] * 1.6];
}

function drawColumn({ counts, kind, title, short }, index, peak, layout) {
  const { top, bottom, traffic, y, begin } = layout;
  const left = traffic.left + index * traffic.width;
  const room = traffic.width - traffic.gap;
  const parts = [
    svg("text", { class: "role", x: left, y: 25 }, layout.narrow ? short : title),
    svg("line", { class: "life", x1: left, x2: left, y1: top, y2: bottom }),
  ];
  if (!counts) return parts;
  const highest = Math.max(0, ...counts.packets) / counts.interval_s;
  if (!layout.narrow) parts.push(svg("text", { class: "who", x: left, y: bottom + 14 }, highest > 0 ? rate(typical(counts)) : "none"));
  counts.packets.forEach((packets, slot) => {
    if (packets === 0) return;
    const from = counts.begins_at - begin + slot * counts.interval_s;
    const high = Math.max(top, y(Math.max(from, 0)));
    const low = Math.min(bottom + 4, y(from + counts.interval_s));
    if (low <= top || high >= bottom + 4 || low - high < 0.2) return;
    const part = packets / counts.interval_s / peak;
    const width = Math.max(2, Math.min(1, part) * room);
    parts.push(svg("rect", { class: `bar ${kind}${part > 1 ? " burst" : ""}`, x: left + 1, y: high, width, height: Math.max(0.8, low - high - 0.6) },
      svg("title", {}, `${packets} packets in ${(counts.interval_s * 1000).toFixed(0)} ms`)));
  });
  return parts;
}

/** The median of the intervals in which anything came. */
function typical(counts) {
  const busy = counts.packets.filter((packets) => packets > 0).sort((one, other) => one - other);
  return busy[Math.floor(busy.length / 2)] / counts.interval_s;
}
