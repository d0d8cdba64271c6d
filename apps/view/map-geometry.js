// SPDX-License-Identifier: Apache-2.0
// Where everything on the map is, in CSS pixels: the draft's Figure 1, for as many MAGs as there are. Pure.

import { NOWHERE } from "./places.js";

const EDGE = 4;
const NODE = { width: 148, height: 52 };
const NODE_NARROW = { width: 92, height: 48 };
const NARROW = 520;
const CELL_MIN = 138;
const CELL_MAX = 300;
const CELL_WITH_ADDRESS = 240;
const CELL_HEAD = 50;
const CELL_MORE = 30;
/** Rows of a cell are kept free for this many mobile nodes, so that a move does not change the height of the map. */
const KEPT_FREE_MAX = 6;
const CHIP = { height: 46, gap: 8, edge: 11, min: 112, max: 170 };
const TRAY_HEAD = 24;
const TUNNELS = 104;
const ARC = 26;
const ARC_STEP = 20;

/**
 * {width, height, small, sources, lma, cells, tray, chips, arcDepth}: boxes {x, y, width, height} by id; `width` may be more than `available`
 * when there are many MAGs. `places` is [[mn_id, mag id]], in the order in which they stand.
 */
export function layOut(topology, places, available) {
  const narrow = available < NARROW;
  const node = narrow ? NODE_NARROW : NODE;
  const gap = narrow ? 14 : 20;
  const mags = topology.mags;
  const cellWidth = clamp((available - 2 * EDGE - (mags.length - 1) * gap) / mags.length, CELL_MIN, CELL_MAX);
  const width = Math.max(available, mags.length * cellWidth + (mags.length - 1) * gap + 2 * EDGE);

  const top = EDGE;
  const sourceRows = Math.max(1, topology.sources.length);
  const rowHeight = node.height + 10;
  const upper = sourceRows * rowHeight - 10;
  // On a narrow map the LMA makes room for the source beside it.
  const lma = { x: width * (narrow ? 0.62 : 0.5) - node.width / 2, y: top + (upper - node.height) / 2, ...node };
  const sources = new Map(topology.sources.map((source, index) => [
    source.id, { x: sourceX(width, node, lma, cellWidth * mags.length), y: top + index * rowHeight, ...node },
  ]));

  const columns = Math.max(1, Math.floor((cellWidth - 2 * CHIP.edge + CHIP.gap) / (CHIP.min + CHIP.gap)));
  const chipWidth = Math.min(CHIP.max, (cellWidth - 2 * CHIP.edge - (columns - 1) * CHIP.gap) / columns);
  const kept = Math.ceil(Math.min(places.filter(([, at]) => at !== NOWHERE).length, KEPT_FREE_MAX) / columns);
  const rows = Math.max(1, kept, ...mags.map((mag) => Math.ceil(places.filter(([, at]) => at === mag.id).length / columns)));
  const cellHeight = CELL_HEAD + rows * (CHIP.height + CHIP.gap) + CELL_MORE;
  const cellTop = top + upper + TUNNELS;
  const spare = mags.length > 1 ? (width - 2 * EDGE - mags.length * cellWidth) / (mags.length - 1) : 0;
  const between = clamp(spare, gap, 4 * gap);
  const left = (width - mags.length * cellWidth - between * (mags.length - 1)) / 2;
  const cells = new Map(mags.map((mag, index) => [
    mag.id, { x: left + index * (cellWidth + between), y: cellTop, width: cellWidth, height: cellHeight },
  ]));

  const deepest = mags.length > 1 ? ARC + ARC_STEP * (mags.length - 2) : 0;
  const low = cellTop + cellHeight + deepest + (mags.length > 1 ? 22 : EDGE);
  const tray = trayBox(places, width, low, chipWidth);
  return {
    small: cellWidth < CELL_WITH_ADDRESS, width, height: low + (tray ? tray.height : 0), sources, lma, cells, tray,
    chips: chipPlaces(places, cells, tray, columns, chipWidth), arcDepth: (steps) => ARC + ARC_STEP * (steps - 1),
  };
}

/** Where those stand that are nowhere; null when there are none. */
function trayBox(places, width, y, chipWidth) {
  const nodes = places.filter(([, at]) => at === NOWHERE).length;
  if (nodes === 0) return null;
  const columns = Math.max(1, Math.floor((width - 2 * EDGE + CHIP.gap) / (chipWidth + CHIP.gap)));
  const rows = Math.ceil(nodes / columns);
  return { x: EDGE, y, width: width - 2 * EDGE, height: TRAY_HEAD + rows * (CHIP.height + CHIP.gap), columns };
}

function chipPlaces(places, cells, tray, columns, chipWidth) {
  const taken = new Map();
  return new Map(places.map(([mnId, mag]) => {
    const index = taken.get(mag) ?? 0;
    taken.set(mag, index + 1);
    const cell = cells.get(mag);
    const [left, top, across] = cell ? [cell.x + CHIP.edge, cell.y + CELL_HEAD, columns] : [tray.x, tray.y + TRAY_HEAD, tray.columns];
    return [mnId, {
      x: left + (index % across) * (chipWidth + CHIP.gap),
      y: top + Math.floor(index / across) * (CHIP.height + CHIP.gap),
      width: chipWidth, height: CHIP.height,
    }];
  }));
}

function sourceX(width, node, lma, cellsWidth) {
  const aligned = Math.max(EDGE, (width - Math.max(cellsWidth, 3 * node.width)) / 2);
  return Math.min(aligned, lma.x - node.width - 24) < EDGE ? EDGE : Math.min(aligned, lma.x - node.width - 24);
}

/** The path of a line between two boxes, and where its label goes: {path, label: {x, y}}. */
export function sourceLine(from, to) {
  const start = { x: from.x + from.width, y: from.y + from.height / 2 };
  const end = { x: to.x, y: to.y + to.height / 2 };
  const middle = (start.x + end.x) / 2;
  const path = `M${start.x} ${start.y}C${middle} ${start.y} ${middle} ${end.y} ${end.x} ${end.y}`;
  return { path, label: { x: middle, y: (start.y + end.y) / 2 } };
}

/** From the LMA down to a MAG; lines to several MAGs leave side by side. */
export function lmaLine(lma, cell, index, total) {
  const start = { x: lma.x + lma.width * ((index + 1) / (total + 1)), y: lma.y + lma.height };
  const end = { x: cell.x + cell.width / 2, y: cell.y };
  const bend = (end.y - start.y) * 0.55;
  const path = `M${start.x} ${start.y}C${start.x} ${start.y + bend} ${end.x} ${end.y - bend} ${end.x} ${end.y}`;
  return { path, label: { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 } };
}

/** From one MAG to another, below the cells, in the direction of the packets. */
export function tunnelLine(from, to, depth) {
  const right = to.x > from.x ? 1 : -1;
  const start = { x: from.x + from.width / 2 + right * from.width * 0.12, y: from.y + from.height };
  const end = { x: to.x + to.width / 2 - right * to.width * 0.12, y: to.y + to.height };
  const low = start.y + depth;
  const corner = Math.min(14, depth);
  const path = `M${start.x} ${start.y}V${low - corner}Q${start.x} ${low} ${start.x + right * corner} ${low}`
    + `H${end.x - right * corner}Q${end.x} ${low} ${end.x} ${low - corner}V${end.y}`;
  return { path, label: { x: (start.x + end.x) / 2, y: low } };
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
