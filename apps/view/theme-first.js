// SPDX-License-Identifier: Apache-2.0
// Before anything is painted: the theme that was chosen here last. A classic script, because modules run too late for that.
try {
  const chosen = localStorage.getItem("castover-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; then the system's theme it is.
}
