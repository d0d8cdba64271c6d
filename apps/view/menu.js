// SPDX-License-Identifier: Apache-2.0
// A small menu beside a button, after the menu button pattern of the ARIA Authoring Practices.

import { html } from "./dom.js";

let close = null;

/** Open it; `entries` are {label, note, disabled, chosen}. One is open at a time. */
export function openMenu(button, title, entries) {
  close?.(false);
  const items = entries.map((entry) => html("button",
    { class: "menu-item", role: "menuitem", type: "button", tabindex: -1, "aria-disabled": entry.disabled ? "true" : null,
      onclick: () => choose(entry) },
    html("span", {}, entry.label), html("span", { class: "menu-note" }, entry.note)));
  const menu = html("div", { class: "menu", role: "menu", "aria-label": title, onkeydown: steer },
    html("p", { class: "menu-title", "aria-hidden": "true" }, title), ...items);
  document.getElementById("floating").append(menu);
  put(menu, button.getBoundingClientRect());
  button.setAttribute("aria-expanded", "true");
  (items.find((item) => !item.hasAttribute("aria-disabled")) ?? items[0])?.focus({ preventScroll: true });

  const outside = (event) => !menu.contains(event.target) && close(false);
  const away = () => close(false);
  document.addEventListener("pointerdown", outside, true);
  addEventListener("resize", away);
  addEventListener("scroll", away, { passive: true });

  close = (back) => {
    document.removeEventListener("pointerdown", outside, true);
    removeEventListener("resize", away);
    removeEventListener("scroll", away);
    menu.remove();
    button.removeAttribute("aria-expanded");
    close = null;
    if (back) button.focus();
  };

  function choose(entry) {
    if (entry.disabled) return;
    close(true);
    entry.chosen();
  }

  function steer(event) {
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) items.at(to % items.length)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close(true);
    else return;
    event.preventDefault();
  }
}

function put(menu, anchor) {
  const [width, height] = [menu.offsetWidth, menu.offsetHeight];
  const left = Math.max(8, Math.min(anchor.left, innerWidth - width - 8));
  const below = anchor.bottom + 6;
  const top = below + height > innerHeight - 8 ? Math.max(8, anchor.top - height - 6) : below;
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}
