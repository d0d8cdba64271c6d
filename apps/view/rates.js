// SPDX-License-Identifier: Apache-2.0
// What the switches carry (/v1/rates), told as what each line of the map carries. Pure.

/** The key of a line from one node to another. */
export const lineKey = (from, to) => `${from} > ${to}`;

/**
 * {measured, lines, mobileNodes, groups}: packets a second by lineKey, by MN-ID, and for each group what enters at the LMA and
 * which copies leave where.
 */
export function linkRates(topology, switches) {
  const lines = new Map();
  const groups = new Map();
  const mobileNodes = new Map();
  const add = (from, to, packets) => lines.set(lineKey(from, to), (lines.get(lineKey(from, to)) ?? 0) + packets);
  const mags = new Set(topology.mags.map((mag) => mag.id));

  for (const one of switches) {
    for (const stream of one.streams) {
      const group = groupOf(groups, stream);
      // A group that was made a moment ago has been counted for too short a time; its older copies tell the same.
      const packets = Math.max(stream.rate.packets_per_s, ...stream.copies.map((copy) => copy.rate.packets_per_s));
      if (stream.sender === "sources") {
        group.enters += packets;
        for (const source of sendersOf(topology, stream)) add(source, topology.lma.id, packets);
      }
      for (const copy of stream.copies) {
        if (mags.has(copy.receiver)) add(one.name, copy.receiver, copy.rate.packets_per_s);
        if (mags.has(copy.receiver) || !one.name.includes("transport")) {
          group.copies.push({ at: one.name, from: stream.sender, to: copy.receiver, packets: copy.rate.packets_per_s });
        }
      }
    }
    if (mags.has(one.name)) addMobileNodes(topology, one, mobileNodes);
  }
  return { measured: switches.some((one) => one.over_s > 0), lines, mobileNodes, groups: [...groups.values()] };
}

function groupOf(groups, stream) {
  const key = `${stream.group} ${stream.source ?? "*"}`;
  if (!groups.has(key)) groups.set(key, { key, group: stream.group, source: stream.source, enters: 0, copies: [] });
  return groups.get(key);
}

/** A rule for any source counts all of them together: then it is drawn from the first. */
function sendersOf(topology, stream) {
  const named = topology.sources.filter((source) => source.address === stream.source);
  return (named.length > 0 ? named : topology.sources.slice(0, 1)).map((source) => source.id);
}

function addMobileNodes(topology, mag, mobileNodes) {
  for (const node of topology.mobile_nodes) {
    const port = mag.ports.find((found) => found.port === node.name);
    // A node that has just moved has been at two MAGs within the time that the rates are over.
    if (port) mobileNodes.set(node.id, (mobileNodes.get(node.id) ?? 0) + port.sent.packets_per_s);
  }
}
