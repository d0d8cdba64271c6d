// SPDX-License-Identifier: Apache-2.0
// Words for everybody: read out by screen readers, and shown for a while when they are about something that went wrong.

import { html } from "./dom.js";

const SHOWN_MS = 7_000;
const APART_MS = 150;

/** {say, warn}: `say` is for screen readers alone. */
export function announcer(region, floating) {
  const waiting = [];
  let busy = false;

  function next() {
    const text = waiting.shift();
    busy = text !== undefined;
    if (!busy) return;
    // A region that changes too fast is read in part only.
    region.textContent = text;
    setTimeout(next, APART_MS);
  }

  function say(text) {
    waiting.push(text);
    if (!busy) next();
  }

  return {
    say,
    warn(text) {
      say(text);
      const note = html("div", { class: "toast" }, html("span", { "aria-hidden": "true" }, text),
        html("button", { class: "quiet-button", type: "button", "aria-label": "Dismiss", onclick: () => note.remove() }, "×"));
      floating.append(note);
      setTimeout(() => note.remove(), SHOWN_MS);
    },
  };
}
