// SPDX-License-Identifier: Apache-2.0
// Numbers and times as text.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 1234.5 -> "1,235". */
export const count = (value) => whole.format(value);

/** Packets a second: two digits are enough below ten. */
export function rate(packetsPerSecond) {
  return packetsPerSecond > 0 && packetsPerSecond < 10 ? packetsPerSecond.toFixed(1) : count(packetsPerSecond);
}

/** A span of time in seconds: "87.3 ms", "4.91 s", "2 min 5 s". */
export function span(seconds) {
  if (seconds < 1) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A moment within a handover, in seconds since its begin: "+6.02 ms". */
export function offset(seconds) {
  const sign = seconds < 0 ? "−" : "+";
  const size = Math.abs(seconds);
  return size < 10 ? `${sign}${(size * 1000).toFixed(size < 1 ? 2 : 1)} ms` : `${sign}${size.toFixed(2)} s`;
}

/** Time of day here, of seconds since 1970: "14:03:07". */
export function timeOfDay(seconds, fraction = 0) {
  const date = new Date(seconds * 1000);
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0"));
  return parts.join(":") + (fraction ? (seconds % 1).toFixed(fraction).slice(1) : "");
}

/** The short name of a mobile node: its MN-ID up to the @. */
export const shortName = (mnId) => mnId.split("@", 1)[0];

/** "1 packet", "2 packets". */
export const counted = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
