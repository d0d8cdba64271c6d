// SPDX-License-Identifier: Apache-2.0
// The button for light and dark. Without a choice the page follows the system.

import { svg } from "./dom.js";

const KEY = "castover-theme";
const SUN = "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9ZM12 2v2M12 20v2M2 12h2M20 12h2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4";
const MOON = "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z";

/** Make `button` switch between the two themes. */
export function themeSwitch(button) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

  function show() {
    const wanted = isDark() ? "light" : "dark";
    button.setAttribute("aria-label", `Switch to the ${wanted} theme`);
    button.title = `Switch to the ${wanted} theme`;
    button.replaceChildren(svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" },
      svg("path", { d: isDark() ? SUN : MOON })));
  }

  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = wanted;
    try {
      localStorage.setItem(KEY, wanted);
    } catch {
      // It holds for this page, then.
    }
    show();
  });
  dark.addEventListener("change", show);
  show();
}
