// SPDX-License-Identifier: Apache-2.0
// The list of handovers, newest first; one of them is shown in the ladder.

import { html, keyed, setAttribute, setText } from "./dom.js";
import { count, counted, shortName, span, timeOfDay } from "./format.js";
import { durationOf, packetsOf, stateKind, stateWord } from "./handover-facts.js";
import { newestFirst, shownHandover } from "./store.js";

const HEADS = [["number", "#"], ["node", "Node"], ["way", "From → to"], ["state", "State"], ["duration", "Duration"],
  ["lost", "Lost"], ["copies", "Copies removed"], ["time", "Begun"]];

/** Draw the list into `parent`. `chosen(id)` and `older()` are called for the reader. Returns draw(state). */
export function handoversView(parent, total, { chosen, older }) {
  const body = html("tbody");
  const table = html("table", { class: "handovers" },
    html("thead", {}, html("tr", {}, ...HEADS.map(([name, text]) => html("th", { scope: "col", class: `col-${name}` }, text)))), body);
  const more = html("button", { class: "quiet-button", type: "button", onclick: older }, "Show older");
  const empty = html("div", { class: "empty" },
    html("p", { class: "empty-title" }, "No handover yet"),
    html("p", {}, "Drag a mobile node to another gateway. What happens then is listed here, message by message."));
  parent.append(table, more, empty);

  return (state) => {
    const rows = newestFirst(state.handovers);
    const shown = shownHandover(state);
    table.hidden = rows.length === 0;
    empty.hidden = rows.length > 0 || state.handoversTotal === null;
    more.hidden = state.older === null;
    setText(total, rows.length > 0 ? counted(Math.max(state.handoversTotal, rows.length), "handover") : "");
    keyed(body, rows, (handover) => handover.id, (handover) => makeRow(handover, chosen),
      (element, handover) => updateRow(element, handover, handover === shown));
  };
}

function makeRow(handover, chosen) {
  const cells = HEADS.map(([name]) => html("td", { class: `col-${name}` }));
  cells[0].append(html("button", { class: "row-button", type: "button", onclick: () => chosen(handover.id) }));
  cells[2].append(html("span", { class: "way-node" }), html("span"));
  cells[3].append(html("span", { class: "pill" }));
  return html("tr", {}, ...cells);
}

function updateRow(row, handover, shown) {
  const [number, node, way, state, duration, lost, copies, time] = row.children;
  const packets = packetsOf(handover);
  const took = durationOf(handover);
  const button = number.firstElementChild;
  const name = shortName(handover.mn_id);
  setText(button, String(handover.number));
  setAttribute(button, "aria-label", `Show handover ${handover.number}: ${name}, ${handover.previous_mag} to ${handover.new_mag}`);
  setAttribute(button, "aria-pressed", String(shown));
  row.classList.toggle("shown", shown);
  setText(node, name);
  setText(way.firstElementChild, name);
  setText(way.lastElementChild, `${handover.previous_mag} → ${handover.new_mag}`);
  const pill = state.firstElementChild;
  pill.className = `pill ${stateKind(handover)}`;
  setText(pill, stateWord(handover));
  setAttribute(state, "title", handover.error);
  setText(duration, took === null ? "–" : span(took));
  setText(lost, packets === null ? "–" : count(packets.lost));
  lost.classList.toggle("bad", packets !== null && packets.lost > 0);
  setAttribute(lost, "title", packets?.why || null);
  setText(copies, packets === null ? "–" : count(packets.copies));
  setText(time, handover.started_at === null ? "" : timeOfDay(handover.started_at));
}
