// SPDX-License-Identifier: Apache-2.0
// In which cell each mobile node is drawn. Pure.

import { ENDED } from "./handover-facts.js";

/**
 * [[mn_id, mag id]] of all mobile nodes that are anywhere. One that is between two links is where it comes from until it is
 * bound somewhere else: a node that is away for 50 ms must not jump about.
 */
export function placesOf(topology, handovers) {
  return topology.mobile_nodes.flatMap((node) => {
    const handover = handovers.get(node.handover_id);
    const leaving = handover && !ENDED.has(handover.state) ? handover.previous_mag : null;
    const at = node.attached_to ?? leaving ?? node.bound_to ?? node.mags[0];
    return at ? [[node.id, at]] : [];
  });
}
