// SPDX-License-Identifier: Apache-2.0
// Under the map: how to hand a mobile node over, with what the reader has at hand.

import { setText } from "./dom.js";

const TOUCH = matchMedia("(pointer: coarse)");

/** Returns draw(state). */
export function mapHint(parent) {
  return (state) => setText(parent, hint(state));
}

function hint({ mayBegin, connection }) {
  // Nothing can be done, and there is nothing to be seen, behind the question for a token.
  if (connection.phase === "token") return "";
  if (!mayBegin) return "This token may look, but not begin handovers.";
  if (TOUCH.matches) return "Drag a mobile node to another gateway, or tap it to choose one.";
  return "Drag a mobile node to another gateway. By keyboard: Tab to it, ← → to choose, Enter.";
}
