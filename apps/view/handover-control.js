// SPDX-License-Identifier: Apache-2.0
// Asks for handovers: by dragging a mobile node, by its menu, or with the arrow keys. Says what came of it.

import { RequestError, act } from "./api.js";
import { withOne } from "./handover-list.js";
import { openMenu } from "./menu.js";
import { dragging } from "./drag.js";
import { placesOf } from "./places.js";

/** {attach, dragged, stop}. `say(text)` is for people who cannot see the page, `warn(text)` for everybody. */
export function handoverControl(store, map, { say, warn }) {
  let draggedId = null;
  let aimed = null;

  const nodeOf = (mnId) => store.state.topology.mobile_nodes.find((node) => node.id === mnId);
  const placeOf = (mnId) => placesOf(store.state.topology, store.state.handovers).find(([id]) => id === mnId)?.[1];

  /** [{mag, why}] of all MAGs but the present one; `why` says why not, "" when it may go there. */
  function targetsOf(mnId) {
    const node = nodeOf(mnId);
    return store.state.topology.mags.filter((mag) => mag.id !== placeOf(mnId)).map((mag) => ({ mag: mag.id, why: whyNot(node, mag) }));
  }

  function whyNot(node, mag) {
    if (!store.state.mayBegin) return "this token may only look";
    if (node.handover_id) return "a handover is under way";
    if (!node.mags.includes(mag.id)) return `${node.name} may not register here`;
    if (!mag.agent_connected) return "its agent is away";
    if (!mag.switch_connected) return "its switch is away";
    return "";
  }

  async function ask(mnId, mag) {
    const name = nodeOf(mnId).name;
    say(`Handover of ${name} to ${mag} asked for.`);
    try {
      const handover = await act("POST", "/v1/handovers", { mn_id: mnId, new_mag: mag });
      // The events may have been faster, and know more of it by now.
      const known = store.state.handovers.has(handover.id) ? {} : withOne(store.state, handover);
      store.update({ ...known, selected: null, mayBegin: true });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.status === 403) store.update({ mayBegin: false });
      if (error.status === 403) warn("This token may look, but not begin handovers.");
      // Without an answer it may have begun, or not.
      else if (error.status === 0) warn(`Asked for a handover of ${name}: ${error.message} If it has begun, it is in the list.`);
      else warn(`No handover of ${name}: ${error.message}`);
    }
  }

  async function callOff(handoverId) {
    try {
      await act("DELETE", `/v1/handovers/${encodeURIComponent(handoverId)}`);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      warn(`Not called off: ${error.message}`);
    }
  }

  // --- which cell is meant ---

  function mark(mnId, target) {
    for (const cell of map.querySelectorAll(".cell")) {
      const found = targetsOf(mnId).find((one) => one.mag === cell.dataset.mag);
      cell.classList.toggle("may", found?.why === "");
      cell.classList.toggle("may-not", Boolean(found?.why));
      cell.classList.toggle("aimed", cell.dataset.mag === target);
      cell.querySelector(".cell-drop").textContent = !found ? "" : found.why || `Hand over to ${found.mag}`;
    }
  }

  function unmark() {
    aimed = null;
    for (const cell of map.querySelectorAll(".cell")) {
      cell.classList.remove("may", "may-not", "aimed");
      cell.querySelector(".cell-drop").textContent = "";
    }
  }

  /** Arrow keys choose among the MAGs in the order in which they stand. */
  function aim(mnId, step) {
    const order = store.state.topology.mags.map((mag) => mag.id);
    const start = order.indexOf(aimed?.mnId === mnId ? aimed.mag : placeOf(mnId));
    const mag = order[start + step];
    if (mag === undefined) return;
    const found = targetsOf(mnId).find((one) => one.mag === mag);
    aimed = { mnId, mag };
    mark(mnId, mag);
    if (!found) say(`${mag}, where it is. Escape ends this.`);
    else say(found.why ? `${mag}: not possible, ${found.why}.` : `${mag}. Enter hands ${nodeOf(mnId).name} over, Escape ends this.`);
  }

  function confirm(button, mnId) {
    if (aimed?.mnId !== mnId) {
      menu(button, mnId);
      return;
    }
    const { mag } = aimed;
    const why = targetsOf(mnId).find((one) => one.mag === mag)?.why;
    unmark();
    if (why === "") ask(mnId, mag);
    else if (why) warn(`No handover to ${mag}: ${why}.`);
  }

  function menu(button, mnId) {
    const name = nodeOf(mnId).name;
    openMenu(button, `Hand ${name} over to`, targetsOf(mnId).map((target) => ({
      label: target.mag, note: target.why, disabled: target.why !== "", chosen: () => ask(mnId, target.mag),
    })));
  }

  function attach(button, mnId) {
    button.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) aim(mnId, step);
      else if (event.key === "ArrowDown") menu(button, mnId);
      else if (event.key === "Escape" && aimed) unmark();
      else return;
      event.preventDefault();
    });
    button.addEventListener("blur", () => draggedId === null && unmark());
    dragging(button, {
      begun() {
        draggedId = mnId;
        mark(mnId, null);
      },
      over(cell) {
        mark(mnId, cell?.dataset.mag ?? null);
      },
      dropped(cell) {
        draggedId = null;
        unmark();
        const target = targetsOf(mnId).find((one) => one.mag === cell?.dataset.mag);
        if (target?.why === "") ask(mnId, target.mag);
        else if (target) warn(`No handover to ${target.mag}: ${target.why}.`);
        else say(`${nodeOf(mnId).name} stays ${placeOf(mnId) ? `at ${placeOf(mnId)}` : "on no link"}.`);
        store.update({});
      },
      clicked: () => confirm(button, mnId),
    });
  }

  return { attach, dragged: () => draggedId, callOff };
}
