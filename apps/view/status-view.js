// SPDX-License-Identifier: Apache-2.0
// Whether the controller is there, and its agents and switches with it.

import { html, setText } from "./dom.js";

/** Draw into the header; `retry()` is called for the reader. Returns draw(state). */
export function statusView(parent, banner, domain, { retry }) {
  const dot = html("span", { class: "dot" });
  const words = html("span", { class: "status-words" });
  parent.append(dot, words);
  const said = html("span");
  const again = html("button", { type: "button", class: "quiet-button", onclick: retry }, "Try now");
  banner.append(said, again);
  let ticking = null;

  function draw(state) {
    const { phase } = state.connection;
    const away = phase === "live" ? missing(state) : [];
    parent.dataset.kind = phase === "live" ? (away.length > 0 ? "warn" : "good") : phase === "connecting" ? "wait" : "bad";
    setText(words, statusWords(phase, away, state));
    setText(domain, state.topology ? state.topology.domain : "");
    banner.hidden = phase === "live" || phase === "connecting" || phase === "token" ? away.length === 0 : false;
    again.hidden = phase === "live";
    banner.className = `banner ${phase === "live" ? "warn" : "bad"}`;
    setText(said, phase === "live" ? missingWords(away) : awayWords(state.connection));
    clearTimeout(ticking);
    if (phase === "away") ticking = setTimeout(() => draw(state), 500);
  }
  return draw;
}

/** What is not connected, as words. */
export function missing({ topology, switches }) {
  const agents = (topology?.mags ?? []).filter((mag) => !mag.agent_connected).map((mag) => `agent of ${mag.id}`);
  return [...agents, ...switches.filter((one) => !one.connected).map((one) => `switch ${one.name}`)];
}

function statusWords(phase, away, { topology, switches }) {
  if (phase === "connecting") return "Connecting";
  if (phase === "token") return "Token needed";
  if (phase === "away") return "Controller away";
  if (away.length > 0) return `${away.length} away`;
  return topology ? `Live · ${topology.mags.length} agents, ${switches.length} switches` : "Live";
}

function awayWords({ retryAt, problem }) {
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  return `${problem} What is shown is what was known last. ${seconds > 0 ? `Next try in ${seconds} s.` : "Trying again."}`;
}

const missingWords = (away) => `Not connected: ${away.join(", ")}. Streams go on by the rules that the switches have; handovers there are refused.`;
