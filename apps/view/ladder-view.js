// SPDX-License-Identifier: Apache-2.0
// One handover: what it came to, its ladder diagram, and the step that the reader looks at.

import { html, onWidth, setAttribute, setText, svg } from "./dom.js";
import { count, offset, shortName, span, timeOfDay } from "./format.js";
import { CANCELLABLE, between, durationOf, packetsOf, stateKind, stateWord } from "./handover-facts.js";
import { ladderDrawing } from "./ladder-drawing.js";
import { ladderLayout } from "./ladder-layout.js";
import { messageOf } from "./messages.js";
import { newestFirst, shownHandover } from "./store.js";
import { trafficDrawing } from "./traffic-drawing.js";

const HEIGHT = 560;

/** Draw it into `parent`; `callOff(id)` and `follow()` are called for the reader. Returns draw(state). */
export function ladderView(parent, { callOff, follow }) {
  const title = html("h2", { id: "ladder-title" }, "Ladder");
  const pill = html("span", { class: "pill" });
  const off = html("button", { class: "quiet-button", type: "button", onclick: () => callOff(drawn.id) }, "Call off");
  const latest = html("button", { class: "quiet-button", type: "button", onclick: follow }, "Follow the newest");
  const facts = html("dl", { class: "facts" });
  const drawing = svg("svg", { class: "ladder", role: "img", "aria-labelledby": "ladder-title" });
  const labels = html("ol", { class: "labels", "aria-label": "Steps, by time" });
  const empty = html("div", { class: "empty" }, html("p", { class: "empty-title" }), html("p"));
  const stage = html("div", { class: "stage" }, drawing, labels, empty);
  const detail = html("div", { class: "detail", role: "status" });
  parent.append(html("div", { class: "card-head" }, title, pill, html("span", { class: "spring" }), off, latest), facts, stage, detail);
  stage.style.height = `${HEIGHT}px`;

  let width = 0;
  let drawn = null;
  let drawnFor = "";
  let looked = null;
  let last = null;

  function draw(state) {
    last = state;
    const handover = shownHandover(state);
    if (handover !== drawn) looked = handover?.id === drawn?.id ? looked : null;
    off.hidden = !handover || !state.mayBegin || !CANCELLABLE.has(handover.state);
    latest.hidden = !handover || handover === newestFirst(state.handovers)[0];
    empty.hidden = Boolean(handover?.steps.length);
    sayEmpty(empty, handover, state);
    setText(title, handover ? `Handover ${handover.number}: ${shortName(handover.mn_id)}, ${handover.previous_mag} → ${handover.new_mag}` : "Ladder");
    pill.className = handover ? `pill ${stateKind(handover)}` : "pill none";
    setText(pill, handover ? stateWord(handover) : "");
    if (handover === drawn && drawnFor === `${width}`) return;
    drawn = handover ?? null;
    drawnFor = `${width}`;
    drawFacts(facts, handover);
    drawLadder(state);
  }

  function drawLadder(state) {
    if (width === 0) return;
    setAttribute(drawing, "viewBox", `0 0 ${width} ${HEIGHT}`);
    const steps = drawn?.steps.length ? drawn : null;
    const layout = ladderLayout(steps ?? blank(state), state.topology ?? { lma: { id: "lma" } }, width, HEIGHT);
    drawing.classList.toggle("blank", steps === null);
    drawing.replaceChildren(...trafficDrawing(steps ?? {}, layout), ...ladderDrawing(layout));
    labels.replaceChildren(...layout.steps.map((step, index) => label(step, index, layout)));
    for (const group of drawing.querySelectorAll(".step")) {
      group.addEventListener("pointerenter", () => look(Number(group.dataset.step)));
    }
    look(looked !== null && looked < layout.steps.length ? looked : null);
  }

  function label(step, index, layout) {
    const button = html("button", { type: "button", class: `label ${step.kind}`, onclick: () => look(index), onfocus: () => look(index),
      onpointerenter: () => look(index) },
      html("span", { class: "label-step" }, String(step.step.step)), html("span", { class: "label-name" }, step.step.name),
      html("span", { class: "label-at" }, layout.narrow ? "" : offset(step.moment)));
    const item = html("li", {}, button);
    item.style.top = `${step.labelY}px`;
    item.style.width = `${layout.labelRight}px`;
    return item;
  }

  function look(index) {
    looked = index;
    for (const element of [...drawing.querySelectorAll(".step")]) element.classList.toggle("looked", Number(element.dataset.step) === index);
    [...labels.children].forEach((item, at) => item.firstElementChild.classList.toggle("looked", at === index));
    drawDetail(detail, drawn, index);
  }

  onWidth(stage, (found) => {
    width = found;
    if (last !== null) draw(last);
  });
  return draw;
}

/** Lifelines without anything between them, before there is a handover. */
const blank = (state) => ({
  mn_id: "MN", previous_mag: state.topology?.mags[0]?.id ?? "", new_mag: state.topology?.mags[1]?.id ?? "", steps: [], started_at: 0,
});

function sayEmpty(element, handover, state) {
  const [head, words] = element.children;
  if (handover) {
    setText(head, "Waiting for the first message");
    setText(words, handover.error ?? "The previous MAG has been told to send HI.");
  } else {
    setText(head, "The draft's Figure 2, drawn from what happens");
    setText(words, state.topology?.mobile_nodes.length === 0
      ? "There is no mobile node in topology.yaml."
      : `${state.mayBegin ? "Hand a mobile node over" : "When a mobile node is handed over"}: each message appears here at its real time, with the packets at both MAGs beside it.`);
  }
}

function drawFacts(list, handover) {
  const packets = handover ? packetsOf(handover) : null;
  const time = (seconds) => (seconds === null ? "–" : span(seconds));
  const facts = [
    ["Duration", handover ? time(durationOf(handover)) : "–", "From HO-Initiate to the last message"],
    ["Request to clone", handover ? time(between(handover, "HO-Initiate", "HAck to HI(F)")) : "–",
      "Until the p-MAG's switch has confirmed that it clones: from here on nothing can be lost"],
    ["Without link", handover ? time(between(handover, "MN left", "delivery")) : "–", "From the link down at the p-MAG to the first delivery at the n-MAG"],
    ["Lost", packets ? count(packets.lost) : "–", packets?.why || "Packets that the handover buffer had to give up"],
    ["Copies removed", packets ? count(packets.copies) : "–", "Packets that came twice, by tunnel and natively, or that the mobile node had already"],
  ];
  list.replaceChildren(...facts.map(([name, value, title]) => html("div", { title }, html("dt", {}, name),
    html("dd", { class: name === "Lost" && packets?.lost ? "bad" : null }, value))));
}

function drawDetail(element, handover, index) {
  const step = index === null ? null : handover?.steps[index];
  if (!step) {
    element.replaceChildren(html("p", { class: "detail-hint" }, handover?.error ?? waitingWords(handover)));
    return;
  }
  const { title, source, meaning } = messageOf(step);
  const way = step.sender === step.receiver ? step.node : `${shortName(step.sender)} → ${shortName(step.receiver)}`;
  element.replaceChildren(
    html("p", {}, html("strong", {}, `(${step.step}) ${title}`), " ", html("span", { class: "detail-way" }, way)),
    html("p", { class: "detail-time" }, `${timeOfDay(step.at, 6)} on the clock of ${step.node}${step.detail ? ` · ${step.detail}` : ""}`),
    html("p", {}, meaning, " ", html("span", { class: "aside" }, source)));
}

function waitingWords(handover) {
  if (!handover || handover.steps.length === 0) return "";
  if (["forwarding", "joined"].includes(handover.state)) {
    return "The mobile node may leave now: everything waits for its radio. In a lab, castover lab radio moves it.";
  }
  return "Point at a message, or go through them with Tab, to see what it is.";
}
