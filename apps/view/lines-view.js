// SPDX-License-Identifier: Apache-2.0
// The lines of the map: faint when nothing is carried, heavier and faster the more packets a second there are.

import { keyed, setAttribute, setText, svg } from "./dom.js";
import { rate } from "./format.js";
import { ENDED } from "./handover-facts.js";
import { lmaLine, sourceLine, tunnelLine } from "./map-geometry.js";
import { lineKey } from "./rates.js";

/** With more MAGs than this only the inter-MAG tunnels that are used are drawn. */
const SHOWN_ALWAYS_MAX = 3;
/** A handover is over too soon to be seen: so long its tunnel stays lit. */
const AFTERGLOW_MS = 2_500;

/** Lines of one map; `draw(state, places)` once a change, `layer` is the SVG element. */
export function makeLines() {
  const layer = svg("svg", { class: "lines", "aria-hidden": "true" });
  const glow = new Map();

  function draw(state, places) {
    setAttribute(layer, "width", places.width);
    setAttribute(layer, "height", places.height);
    setAttribute(layer, "viewBox", `0 0 ${places.width} ${places.height}`);
    keyed(layer, linesOf(state, places, glow), (line) => line.key, makeLine, updateLine);
  }
  return { layer, draw };
}

function linesOf(state, places, glow) {
  const { topology, rates } = state;
  const carried = (from, to) => rates?.lines.get(lineKey(from, to)) ?? 0;
  const lines = topology.sources.map((source) => ({
    key: lineKey(source.id, topology.lma.id), kind: "native", packets: carried(source.id, topology.lma.id),
    ...sourceLine(places.sources.get(source.id), places.lma),
  }));
  topology.mags.forEach((mag, index) => lines.push({
    key: lineKey(topology.lma.id, mag.id), kind: "native", packets: carried(topology.lma.id, mag.id),
    ...lmaLine(places.lma, places.cells.get(mag.id), index, topology.mags.length),
  }));
  return lines.concat(tunnelsOf(state, places, glow, carried));
}

function tunnelsOf({ topology, handovers }, places, glow, carried) {
  const now = Date.now();
  for (const handover of handovers.values()) {
    if (!ENDED.has(handover.state) && handover.mode !== "join") glow.set(lineKey(handover.previous_mag, handover.new_mag), now);
  }
  const found = [];
  topology.mags.forEach((one, first) => topology.mags.slice(first + 1).forEach((other, steps) => {
    const there = carried(one.id, other.id);
    const back = carried(other.id, one.id);
    const recent = (from, to) => now - (glow.get(lineKey(from, to)) ?? -Infinity) < AFTERGLOW_MS;
    const backwards = back > there || (back === there && recent(other.id, one.id));
    const [from, to] = backwards ? [other, one] : [one, other];
    const open = recent(from.id, to.id);
    if (topology.mags.length > SHOWN_ALWAYS_MAX && !open && there + back === 0) return;
    found.push({
      key: `${one.id} = ${other.id}`, kind: "tunnel", packets: Math.max(there, back), open,
      ...tunnelLine(places.cells.get(from.id), places.cells.get(to.id), places.arcDepth(steps + 1)),
    });
  }));
  return found;
}

function makeLine(line) {
  return svg("g", { class: `line ${line.kind}` },
    svg("path", { class: "rail" }), svg("path", { class: "flow" }),
    svg("g", { class: "tag" }, svg("rect", { rx: 9, height: 18, y: -9 }), svg("text", { "text-anchor": "middle", dy: "0.34em" })));
}

function updateLine(element, line) {
  const [rail, flow, tag] = element.children;
  setAttribute(rail, "d", line.path);
  setAttribute(flow, "d", line.path);
  element.classList.toggle("carries", line.packets >= 0.5);
  element.classList.toggle("open", Boolean(line.open));
  const weight = line.packets >= 0.5 ? Math.min(7, 2 + Math.log10(1 + line.packets) * 1.1) : 2;
  element.style.setProperty("--weight", `${weight.toFixed(1)}px`);
  // A dot for each packet would be a blur: from one lap in two seconds to five a second.
  element.style.setProperty("--lap", `${Math.max(0.2, 2 / (1 + Math.log10(1 + line.packets))).toFixed(2)}s`);
  const text = line.packets >= 0.5 ? `${rate(line.packets)}/s` : "";
  setText(tag.lastElementChild, text);
  setAttribute(tag, "transform", `translate(${line.label.x} ${line.label.y})`);
  const width = text.length * 6.6 + 14;
  setAttribute(tag.firstElementChild, "width", text ? width : 0);
  setAttribute(tag.firstElementChild, "x", -width / 2);
}
