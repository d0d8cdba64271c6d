// SPDX-License-Identifier: Apache-2.0
// Asks for a bearer token when the controller wants one, or the reader has another. It is kept for this tab only.

import { keepToken, notOfTokens, token } from "./api.js";
import { html, setAttribute, setText } from "./dom.js";

/** `button` is for readers who have another token. Returns draw(state); `entered()` is called when there is a token to try. */
export function tokenDialog(button, { entered }) {
  const title = html("h2", { id: "token-title" });
  const said = html("p", { id: "token-words", role: "status" });
  const field = html("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true,
    "aria-describedby": "token-words", oninput: () => setAttribute(field, "aria-invalid", null) });
  const leave = html("button", { class: "quiet-button", type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = html("form", { method: "dialog", onsubmit: take }, title, said,
    html("label", { for: "token" }, "Bearer token"), field,
    html("div", { class: "dialog-foot" }, leave, html("button", { class: "strong-button", type: "submit" }, "Open")));
  const dialog = html("dialog", { class: "token", "aria-labelledby": "token-title", oncancel: stay, onclose: () => form.reset() }, form);
  document.body.append(dialog);
  button.addEventListener("click", () => ask("Another token", "It takes the place of the present one, until this tab is closed.", true));

  function ask(heading, words, mayLeave) {
    setText(title, heading);
    setText(said, words);
    setAttribute(field, "aria-invalid", null);
    leave.hidden = !mayLeave;
    if (!dialog.open) dialog.showModal();
    field.focus();
  }

  function stay(event) {
    if (leave.hidden) event.preventDefault();
  }

  function take(event) {
    event.preventDefault();
    const text = field.value.trim();
    const wrong = notOfTokens(text);
    if (wrong !== "") {
      // Nothing has been asked for yet: what cannot be a token is not sent.
      setText(said, `No token has ${wrong} in it: they are made of A to Z, a to z, 0 to 9 and - . _ ~ + /, with = at the end only.`);
      setAttribute(field, "aria-invalid", "true");
      field.select();
      return;
    }
    keepToken(text);
    dialog.close();
    entered();
  }

  return ({ connection }) => {
    const asked = connection.phase === "token";
    button.hidden = asked || token() === "";
    if (!asked || (dialog.open && leave.hidden)) return;
    ask("This controller asks for a token", token()
      ? "The token is not known here. See rest.tokens in topology.yaml; castover token makes one."
      : "One with the role read shows everything; the role trigger also hands over. It is kept until this tab is closed.", false);
  };
}
