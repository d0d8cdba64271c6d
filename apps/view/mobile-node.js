// SPDX-License-Identifier: Apache-2.0
// A mobile node on the map: a button that can be dragged to another cell, or opened for a menu.

import { html, setAttribute, setText, svg } from "./dom.js";
import { rate } from "./format.js";
import { stateWord } from "./handover-facts.js";

const PHONE = "M8 2.75h8A1.25 1.25 0 0 1 17.25 4v16A1.25 1.25 0 0 1 16 21.25H8A1.25 1.25 0 0 1 6.75 20V4A1.25 1.25 0 0 1 8 2.75ZM10.5 18.5h3";

/** The element of one mobile node. */
export function makeChip(node, control) {
  const button = html("button", { class: "chip", type: "button", "aria-haspopup": "menu", "aria-describedby": "map-hint" },
    svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, svg("path", { d: PHONE })),
    html("span", { class: "chip-words" }, html("span", { class: "chip-name" }, node.name), html("span", { class: "chip-note" })));
  control.attach(button, node.id);
  return html("li", { class: "chip-place" }, button);
}

/** Bring it up to date. One that is being dragged stays where the pointer is. */
export function updateChip(element, node, state, box, dragged) {
  const button = element.firstElementChild;
  const handover = state.handovers.get(node.handover_id);
  const packets = state.rates?.mobileNodes.get(node.id);
  if (!dragged) {
    element.style.transform = `translate(${box.x}px, ${box.y}px)`;
    element.style.width = `${box.width}px`;
    element.style.height = `${box.height}px`;
  }
  const nowhere = node.attached_to === null && !handover;
  const note = handover ? `to ${handover.new_mag}: ${stateWord(handover)}` : nowhere ? "no link" : receiving(state, packets);
  setText(button.querySelector(".chip-note"), note);
  button.classList.toggle("moving", Boolean(handover));
  button.classList.toggle("nowhere", nowhere);
  button.classList.toggle("receives", !nowhere && packets >= 0.5);
  const where = node.attached_to ? `at ${node.attached_to}` : "on no link";
  setAttribute(button, "aria-label", `${node.name}, mobile node, ${where}, ${note}`);
  setAttribute(button, "title", `${node.id}, home network ${node.home_network_prefixes.join(", ") || "of the LMA's pool"}`);
}

function receiving(state, packets) {
  if (state.rates === null || !state.rates.measured) return "measuring…";
  return packets >= 0.5 ? `${rate(packets)}/s` : "no packets";
}
