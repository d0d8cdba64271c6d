// SPDX-License-Identifier: Apache-2.0
// Dragging by pointer events, which mouse, pen and finger have alike. A press that does not move is a click.

const BEGIN_AT = 6;

/**
 * Make the parent of `button` follow the pointer. `begun()`, `over(cell | null)`, `dropped(cell | null)`, and `clicked()` for
 * presses without movement and for the keyboard.
 */
export function dragging(button, { begun, over, dropped, clicked }) {
  let start = null;
  let active = false;
  let swallow = false;

  const item = () => button.parentElement;
  const cellAt = (event) => document.elementsFromPoint(event.clientX, event.clientY)
    .map((element) => element.closest(".cell")).find(Boolean) ?? null;

  function end(event, drop) {
    if (start === null) return;
    const was = active;
    start = null;
    active = false;
    item().classList.remove("dragged");
    if (!was) return;
    swallow = true;
    // The click that browsers send after a drag comes at once, or not at all.
    setTimeout(() => (swallow = false), 0);
    dropped(drop ? cellAt(event) : null);
  }

  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const matrix = new DOMMatrix(getComputedStyle(item()).transform);
    start = { x: event.clientX, y: event.clientY, left: matrix.e, top: matrix.f };
    button.setPointerCapture(event.pointerId);
  });
  button.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [right, down] = [event.clientX - start.x, event.clientY - start.y];
    if (!active && Math.hypot(right, down) < BEGIN_AT) return;
    if (!active) {
      active = true;
      item().classList.add("dragged");
      begun();
    }
    item().style.transform = `translate(${start.left + right}px, ${start.top + down}px)`;
    over(cellAt(event));
  });
  button.addEventListener("pointerup", (event) => end(event, true));
  button.addEventListener("pointercancel", (event) => end(event, false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && active) end(event, false);
  });
  button.addEventListener("click", (event) => {
    if (swallow) event.preventDefault();
    else clicked();
  });
}
