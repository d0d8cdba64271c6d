// SPDX-License-Identifier: Apache-2.0
// The groups that the switches replicate, and unicast that flows: who gets a copy of what from whom.

import { html, keyed, setText } from "./dom.js";
import { rate, shortName } from "./format.js";

/** Draw them into `parent`. Returns draw(state). */
export function streamsView(parent) {
  const list = html("ul", { class: "streams" });
  const empty = html("p", { class: "empty-line" });
  parent.append(list, empty);
  return (state) => {
    const groups = (state.rates?.groups ?? []).filter((group) => group.copies.length > 0 && isShown(group));
    empty.hidden = groups.length > 0;
    setText(empty, emptyText(state));
    keyed(list, groups, (group) => group.key, makeGroup, (element, group) => updateGroup(element, group, state));
  };
}

/** The prefix of every mobile node has its rules, whether anybody sends there or not: it is shown when somebody does. */
const isShown = (group) => group.group.startsWith("ff") || group.copies.some((copy) => copy.packets >= 0.5);

function emptyText(state) {
  if (state.rates === null || !state.rates.measured) return "Reading the switches…";
  return "No mobile node listens to a group. What it joins (MLD) appears here with every copy that is made.";
}

function makeGroup() {
  return html("li", { class: "stream" }, html("div", { class: "stream-head" }, html("code"), html("span", { class: "aside" })),
    html("ul", { class: "copies" }));
}

function updateGroup(element, group, state) {
  const [head, copies] = element.children;
  setText(head.children[0], group.group);
  setText(head.children[1], `${group.source ?? "any source"} · ${rate(group.enters)}/s from the source`);
  const found = group.copies.map((copy) => ({ ...copy, key: `${copy.at} ${copy.from} ${copy.to}` }));
  keyed(copies, found, (copy) => copy.key, makeCopy, (row, copy) => updateCopy(row, copy, state));
}

function makeCopy() {
  return html("li", { class: "copy" }, html("span", { class: "copy-way" }), html("span", { class: "copy-rate" }));
}

function updateCopy(row, copy, { topology }) {
  const isMag = (id) => topology.mags.some((mag) => mag.id === id);
  const tunnel = isMag(copy.at) && (isMag(copy.to) || isMag(copy.from));
  row.classList.toggle("tunnel", tunnel);
  row.classList.toggle("still", copy.packets < 0.5);
  const receiver = copy.to === "handover-buffer" ? "handover buffer" : shortName(copy.to);
  setText(row.children[0], `${copy.at} → ${receiver}${isMag(copy.from) ? ` (from ${copy.from})` : ""}`);
  setText(row.children[1], rate(copy.packets));
}
