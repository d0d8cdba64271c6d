// SPDX-License-Identifier: Apache-2.0
// Puts the page together: one store, kept by sync.js, drawn by the views; what the reader does goes to the controller.

import { announcer } from "./announcer.js";
import { shortName } from "./format.js";
import { outcome } from "./handover-facts.js";
import { handoverControl } from "./handover-control.js";
import { handoversView } from "./handovers-view.js";
import { ladderView } from "./ladder-view.js";
import { mapHint } from "./map-hint.js";
import { mapView } from "./map-view.js";
import { statusView } from "./status-view.js";
import { makeStore } from "./store.js";
import { streamsView } from "./streams-view.js";
import { startSync } from "./sync.js";
import { themeSwitch } from "./theme.js";
import { tokenDialog } from "./token-dialog.js";

const part = (id) => document.getElementById(id);

const store = makeStore();
const words = announcer(part("announcements"), part("floating"));
const control = handoverControl(store, part("map"), words);
const sync = startSync(store, {
  ended(handover) {
    const text = outcome(handover, shortName(handover.mn_id));
    if (handover.state === "failed") words.warn(text);
    else words.say(text);
  },
  failed: words.warn,
});

themeSwitch(part("theme"));
store.subscribe(mapHint(part("map-hint")));
store.subscribe(statusView(part("status"), part("banner"), part("domain"), { retry: sync.retry }));
store.subscribe(tokenDialog(part("token-change"), { entered: sync.retry }));
store.subscribe(mapView(part("map"), control));
store.subscribe(streamsView(part("streams")));
store.subscribe(handoversView(part("handovers"), part("handovers-count"), {
  chosen: (id) => store.update({ selected: id }),
  older: sync.readOlder,
}));
store.subscribe(ladderView(part("ladder"), { callOff: control.callOff, follow: () => store.update({ selected: null }) }));
