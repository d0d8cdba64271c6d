// SPDX-License-Identifier: Apache-2.0
// Asks for a bearer token when the controller wants one. It is kept for this tab only.

import { keepToken, token } from "./api.js";
import { html, setText } from "./dom.js";

/** Returns draw(state); `entered()` is called when there is a token to try. */
export function tokenDialog({ entered }) {
  const said = html("p", { id: "token-words" });
  const field = html("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true,
    "aria-describedby": "token-words" });
  const form = html("form", { method: "dialog", onsubmit: take },
    html("h2", { id: "token-title" }, "This controller asks for a token"), said,
    html("label", { for: "token" }, "Bearer token"), field,
    html("button", { class: "strong-button", type: "submit" }, "Open"));
  const dialog = html("dialog", { class: "token", "aria-labelledby": "token-title", oncancel: (event) => event.preventDefault() }, form);
  document.body.append(dialog);

  function take(event) {
    event.preventDefault();
    keepToken(field.value.trim());
    field.value = "";
    dialog.close();
    entered();
  }

  return (state) => {
    if (state.connection.phase !== "token" || dialog.open) return;
    setText(said, token()
      ? "The token is not known here. See rest.tokens in topology.yaml; castover token makes one."
      : "One with the role read shows everything; the role trigger also hands over. It is kept until this tab is closed.");
    dialog.showModal();
  };
}
