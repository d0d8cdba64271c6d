// SPDX-License-Identifier: Apache-2.0
// In which cell each mobile node is drawn. Pure.

import { ENDED } from "./handover-facts.js";

export const NOWHERE = "";

/**
 * [[mn_id, mag id]] of all mobile nodes; NOWHERE for one that is on no link and registered at no MAG. One that is between
 * two links is where it comes from until it is bound somewhere else: a node that is away for 50 ms must not jump about.
 */
export function placesOf(topology, handovers) {
  return topology.mobile_nodes.map((node) => {
    const handover = handovers.get(node.handover_id);
    const leaving = handover && !ENDED.has(handover.state) ? handover.previous_mag : null;
    return [node.id, node.attached_to ?? leaving ?? node.bound_to ?? NOWHERE];
  });
}
