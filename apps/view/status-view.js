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
    const phase = phaseOf(state);
    const away = phase === "live" ? missing(state) : [];
    parent.dataset.kind = phase === "live" ? (away.length > 0 ? "warn" : "good") : QUIET.has(phase) ? "wait" : "bad";
    setText(words, statusWords(phase, away, state));
    setText(domain, state.topology ? state.topology.domain : "");
    const old = phase === "away" || phase === "behind";
    banner.hidden = !old && away.length === 0;
    again.hidden = !old;
    banner.className = `banner ${old ? "bad" : "warn"}`;
    setText(said, old ? oldWords(state, phase === "away" ? state.connection : state.behind) : missingWords(away));
    clearTimeout(ticking);
    if (old) ticking = setTimeout(() => draw(state), 500);
  }
  return draw;
}

const QUIET = new Set(["connecting", "reading"]);

/** connecting | reading | live | behind | away | token: "live" only when all that is shown is what the controller is. */
function phaseOf({ connection, behind, topology, switches, handoversTotal }) {
  if (connection.phase !== "live") return connection.phase;
  if (behind !== null) return "behind";
  return topology === null || switches === null || handoversTotal === null ? "reading" : "live";
}

/** What is not connected, as words. */
export function missing({ topology, switches }) {
  const agents = (topology?.mags ?? []).filter((mag) => !mag.agent_connected).map((mag) => `agent of ${mag.id}`);
  return [...agents, ...(switches ?? []).filter((one) => !one.connected).map((one) => `switch ${one.name}`)];
}

function statusWords(phase, away, { topology, switches }) {
  if (phase === "connecting") return "Connecting";
  if (phase === "reading") return "Reading";
  if (phase === "behind") return "Out of date";
  if (phase === "token") return "Token needed";
  if (phase === "away") return "Controller away";
  if (away.length > 0) return `${away.length} away`;
  return `Live · ${topology.mags.length} agents, ${switches.length} switches`;
}

function oldWords({ topology }, { retryAt, problem }) {
  const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - performance.now()) / 1000));
  const shown = topology === null ? "" : " What is shown is what was known last.";
  return `${problem}${shown} ${seconds > 0 ? `Next try in ${seconds} s.` : "Trying again."}`;
}

const missingWords = (away) => `Not connected: ${away.join(", ")}. Streams go on by the rules that the switches have; handovers there are refused.`;
