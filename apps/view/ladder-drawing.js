// SPDX-License-Identifier: Apache-2.0
// Draws a ladder layout as SVG. Everything is drawn anew: a handover changes a dozen times, and then never again.

import { svg } from "./dom.js";
import { shortName, span } from "./format.js";

/** The children of the ladder's SVG element. */
export function ladderDrawing(layout) {
  return [markers(), ...grid(layout), ...layout.lifelines.flatMap((line, index) => lifeline(line, index, layout)),
    ...layout.breaks.flatMap((wait) => broken(wait, layout)), ...layout.steps.map((step, index) => arrow(step, index, layout))];
}

function markers() {
  const kinds = ["signal", "native", "tunnel", "delivery", "event"];
  return svg("defs", {}, ...kinds.map((kind) => svg("marker",
    { id: `head-${kind}`, class: `head ${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7,
      orient: "auto-start-reverse", markerUnits: "userSpaceOnUse" }, svg("path", { d: "M0 0.5 7.5 4 0 7.5Z" }))));
}

function grid({ ticks, width, labelRight, narrow, top, bottom }) {
  return ticks.filter((tick) => tick.y <= bottom + 1 && tick.y >= top - 1).flatMap((tick) => [
    svg("line", { class: "grid", x1: labelRight + 8, x2: width, y1: tick.y, y2: tick.y }),
    narrow ? null : svg("text", { class: "tick", x: width, y: tick.y - 4, "text-anchor": "end" }, tickText(tick.seconds)),
  ]).filter(Boolean);
}

const tickText = (seconds) => (seconds < 1 ? `${Number((seconds * 1000).toFixed(1))} ms` : `${Number(seconds.toFixed(2))} s`);

function lifeline(line, index, { top, bottom, away, narrow }) {
  const name = index === 0 ? shortName(line.id) : line.id;
  const heads = [
    svg("text", { class: "role", x: line.x, y: narrow ? 12 : 11, "text-anchor": "middle" }, line.role),
    name.toUpperCase() === line.role ? null
      : svg("text", { class: "who", x: line.x, y: narrow ? 24 : 25, "text-anchor": "middle" }, name),
  ].filter(Boolean);
  if (index !== 0 || away === null) return [...heads, svg("line", { class: "life", x1: line.x, x2: line.x, y1: top, y2: bottom })];
  const back = away.to ?? bottom;
  const middle = (away.from + back) / 2;
  const words = away.seconds === null ? "no link" : `${span(away.seconds)} without link`;
  return [
    ...heads,
    svg("line", { class: "life", x1: line.x, x2: line.x, y1: top, y2: away.from }),
    svg("line", { class: "life away", x1: line.x, x2: line.x, y1: away.from, y2: back }),
    svg("line", { class: "life", x1: line.x, x2: line.x, y1: back, y2: bottom }),
    back - away.from < 90 ? null
      : svg("text", { class: "away-words", "text-anchor": "middle", transform: `translate(${line.x + 12} ${middle}) rotate(-90)` }, words),
  ].filter(Boolean);
}

function broken(wait, { labelRight, traffic, narrow }) {
  const middle = (wait.top + wait.bottom) / 2;
  const right = traffic.left - 12;
  return [
    svg("rect", { class: "break", x: labelRight + 8, y: wait.top + 4, width: right - labelRight - 8, height: wait.bottom - wait.top - 8 }),
    svg("text", { class: "break-words", x: (labelRight + 8 + right) / 2, y: middle + 4, "text-anchor": "middle" },
      narrow ? `${span(wait.seconds)}, cut` : `${span(wait.seconds)} in which nothing happens, not to scale`),
  ];
}

function arrow(step, index, { labelRight }) {
  const data = ["native", "tunnel", "delivery"].includes(step.kind);
  const event = step.from === step.to || step.kind === "event";
  const nearest = Math.min(step.from, step.to, step.seenAt);
  const line = event ? [
    svg("line", { class: "shaft seen", x1: step.from, x2: step.to, y1: step.y, y2: step.y }),
    svg("circle", { class: "point", cx: step.seenAt, cy: step.y, r: 4 }),
  ] : [
    svg("line", { class: data ? "shaft wide" : "shaft", x1: step.from, x2: step.to, y1: step.y, y2: step.y,
      "marker-end": `url(#head-${step.kind})` }),
    step.outside ? svg("circle", { class: "outside", cx: step.from, cy: step.y, r: 2.5 }) : null,
  ].filter(Boolean);
  const begin = labelRight + 2;
  return svg("g", { class: `step ${step.kind}`, "data-step": index },
    svg("path", { class: "leader", d: `M${begin} ${step.labelY}C${begin + 10} ${step.labelY} ${begin + 6} ${step.y} ${begin + 16} ${step.y}H${nearest - 4}` }),
    ...line,
    svg("rect", { class: "hit", x: nearest - 6, y: step.y - 5, width: Math.abs(step.to - step.from) + 12, height: 10 }));
}
