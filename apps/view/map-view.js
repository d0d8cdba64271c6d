// SPDX-License-Identifier: Apache-2.0
// The map: source, LMA, one cell for each MAG, and the mobile nodes in the cells.

import { html, keyed, onWidth, setAttribute, setText } from "./dom.js";
import { shownHandover } from "./store.js";
import { makeLines } from "./lines-view.js";
import { layOut } from "./map-geometry.js";
import { makeChip, updateChip } from "./mobile-node.js";
import { placesOf } from "./places.js";

/** Draw the map into `parent`; `control` is that of handover-control.js. Returns draw(state). */
export function mapView(parent, control) {
  const lines = makeLines();
  const nodes = html("div", { class: "stations" });
  const cells = html("div", { class: "cells" });
  const chips = html("ul", { class: "chips", "aria-label": "Mobile nodes" });
  const tray = html("p", { class: "tray" }, "On no link");
  const plane = html("div", { class: "plane" }, lines.layer, nodes, cells, tray, chips);
  parent.append(plane);
  let width = 0;
  let latest = null;

  function draw(state) {
    latest = state;
    if (state.topology === null || width === 0) return;
    const places = placesOf(state.topology, state.handovers);
    const layout = layOut(state.topology, places, width);
    plane.style.width = `${layout.width}px`;
    plane.style.height = `${layout.height}px`;
    lines.draw(state, layout);
    tray.hidden = layout.tray === null;
    if (layout.tray) place(tray, layout.tray);
    keyed(nodes, stationsOf(state, layout), (node) => node.id, makeStation, updateStation);
    keyed(cells, state.topology.mags, (mag) => mag.id, makeCell, (element, mag) => updateCell(element, mag, state, layout));
    const dragged = control.dragged();
    keyed(chips, state.topology.mobile_nodes, (node) => node.id, (node) => makeChip(node, control),
      (element, node) => updateChip(element, node, state, layout.chips.get(node.id), dragged === node.id));
  }

  onWidth(parent, (found) => {
    width = found;
    if (latest !== null) draw(latest);
  });
  return draw;
}

function stationsOf(state, layout) {
  const lma = state.topology.lma;
  const away = (state.switches ?? []).filter((one) => one.name.startsWith(lma.id) && !one.connected).map((one) => one.name);
  return [
    ...state.topology.sources.map((source) => ({
      ...source, kind: "source", label: "Source", box: layout.sources.get(source.id), trouble: "",
    })),
    { ...lma, kind: "lma", label: "LMA", box: layout.lma, trouble: away.length > 0 ? "switch away" : "" },
  ];
}

function makeStation() {
  return html("div", { class: "station" }, html("span", { class: "station-name" }), html("span", { class: "station-address" }));
}

function updateStation(element, node) {
  place(element, node.box);
  element.classList.toggle("source", node.kind === "source");
  element.classList.toggle("troubled", node.trouble !== "");
  setText(element.children[0], node.kind === "lma" ? "LMA" : node.id);
  setText(element.children[1], node.trouble || node.address);
  setAttribute(element, "title", `${node.label} ${node.id}, ${node.address}`);
}

function makeCell(mag) {
  return html("div", { class: "cell", role: "group", "data-mag": mag.id },
    html("div", { class: "cell-head" },
      html("span", { class: "dot" }), html("span", { class: "cell-name" }, mag.id), html("span", { class: "cell-role" }),
      html("span", { class: "cell-address" })),
    html("p", { class: "cell-empty" }), html("p", { class: "cell-drop" }));
}

function updateCell(element, mag, state, layout) {
  place(element, layout.cells.get(mag.id));
  const away = [mag.agent_connected ? "" : "agent", mag.switch_connected ? "" : "switch"].filter(Boolean).join(" and ");
  const here = [...placesOf(state.topology, state.handovers)].filter(([, at]) => at === mag.id).length;
  const handover = shownHandover(state);
  const role = handover?.previous_mag === mag.id ? "p-MAG" : handover?.new_mag === mag.id ? "n-MAG" : "";
  element.classList.toggle("troubled", away !== "");
  element.classList.toggle("small", layout.small);
  setText(element.querySelector(".cell-role"), role);
  setText(element.querySelector(".cell-address"), away ? `${away} away` : mag.address);
  setText(element.querySelector(".cell-empty"), here === 0 ? "No mobile node here" : "");
  setAttribute(element, "aria-label", `${mag.id}, ${here} mobile nodes${away ? `, ${away} away` : ""}`);
}

/** Put an element where its box is. */
export function place(element, box) {
  element.style.transform = `translate(${box.x}px, ${box.y}px)`;
  element.style.width = `${box.width}px`;
  element.style.height = `${box.height}px`;
}
