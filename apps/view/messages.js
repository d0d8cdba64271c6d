// SPDX-License-Identifier: Apache-2.0
// What each step of the draft's Figure 2 is, by the names that the agents give. Pure.

const MESSAGES = {
  "HO-Initiate": ["signal", "HO-Initiate", "draft, step 1",
    "A handover is imminent: MN-ID and n-MAG reach the p-MAG, from the mobile node itself or over REST."],
  HI: ["signal", "Handover Initiate", "RFC 5568 §6.2.1, RFC 5949 §6.1; option 60 of RFC 7411",
    "The p-MAG sends MN-ID, prefix and multicast state of the mobile node ahead of it."],
  HAck: ["signal", "Handover Acknowledge", "RFC 5949 §6.2; option 61 of RFC 7411",
    "The n-MAG takes the context, or says which groups it refuses."],
  "HI(F)": ["signal", "Handover Initiate, F set", "RFC 5949 §6.1",
    "The n-MAG's switch takes the tunnel to the handover buffer: the p-MAG may forward."],
  "HAck to HI(F)": ["signal", "Handover Acknowledge", "RFC 5949 §6.2",
    "Sent only after the p-MAG's switch has confirmed the clone by barrier."],
  "tunnel data": ["tunnel", "multicast data through the tunnel", "draft, step 5; GRE, RFC 5845",
    "The first cloned packet has come to the n-MAG. From here on the mobile node may leave without loss."],
  "MN left": ["event", "link down at the p-MAG", "draft, step 6",
    "The p-MAG tells the n-MAG which packet the mobile node got last."],
  delivery: ["delivery", "multicast data to the mobile node", "draft, step 7",
    "The link at the n-MAG is up: what waited in the handover buffer goes out, in order."],
  "PBU-M": ["signal", "Proxy Binding Update with multicast state", "RFC 5213 §8.1; option 57 of RFC 7161",
    "The n-MAG registers the mobile node and its groups at the LMA."],
  PBA: ["signal", "Proxy Binding Acknowledgement", "RFC 5213 §8.2",
    "Sent only after the LMA's switch has confirmed the new path by barrier."],
  "native data": ["native", "multicast data from the LMA", "draft, step 10",
    "The n-MAG goes on from the tunnel's stream to this one at a packet that both contain."],
  "HI completed": ["signal", "Handover Initiate: forwarding completed", "RFC 5949 §6.1", "The rules of the handover go at both MAGs."],
  "HAck completed": ["signal", "Handover Acknowledge", "RFC 5949 §6.2", "The handover is over."],
  "HI reactive": ["signal", "Handover Initiate, F set", "RFC 5949 §3.3",
    "The mobile node has come unannounced: the n-MAG asks for its context and its packets."],
};

/** {kind, title, source, meaning}; kind is signal, event, tunnel, native or delivery: how its arrow looks. */
export function messageOf(step) {
  const [kind, title, source, meaning] = MESSAGES[step.name] ?? ["event", step.name, "", ""];
  return { kind, title, source, meaning };
}
