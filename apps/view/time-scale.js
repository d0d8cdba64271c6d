// SPDX-License-Identifier: Apache-2.0
// Time as height: true to scale, with long waits cut short and said so. Pure.

const BREAK_PX = 44;
const LONG_S = 0.2;
const LONG_PART = 0.6;
const STEPS_S = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300];

/**
 * A scale for moments in seconds (ascending) on `height` pixels: {y(seconds), end, breaks, ticks(spacing)}. A wait that is most
 * of all there is left becomes a break of a fixed height: {top, bottom, seconds}.
 */
export function timeScale(moments, height) {
  const points = [...new Set(moments)].sort((one, other) => one - other);
  const begin = points[0] ?? 0;
  const end = Math.max(points.at(-1) ?? 0, begin + 0.001);
  const cut = longWaits(points);
  const plain = end - begin - cut.reduce((sum, wait) => sum + wait.to - wait.from, 0);
  const perSecond = (height - cut.length * BREAK_PX) / plain;

  const pieces = [];
  let top = 0;
  let from = begin;
  for (const wait of [...cut, { from: end, to: end }]) {
    const bottom = top + (wait.from - from) * perSecond;
    pieces.push({ from, to: wait.from, top, bottom, broken: false });
    if (wait.to > wait.from) pieces.push({ from: wait.from, to: wait.to, top: bottom, bottom: bottom + BREAK_PX, broken: true });
    top = bottom + (wait.to > wait.from ? BREAK_PX : 0);
    from = wait.to;
  }

  function y(seconds) {
    if (seconds > end) return pieces.at(-1).bottom + (seconds - end) * perSecond;
    const piece = pieces.find((one) => seconds <= one.to) ?? pieces.at(-1);
    if (piece.to === piece.from) return piece.top;
    return piece.top + ((seconds - piece.from) / (piece.to - piece.from)) * (piece.bottom - piece.top);
  }

  return {
    y, begin, end,
    breaks: pieces.filter((piece) => piece.broken).map((piece) => ({ ...piece, seconds: piece.to - piece.from })),
    ticks(spacing) {
      const step = STEPS_S.find((one) => one * perSecond >= spacing) ?? STEPS_S.at(-1);
      const found = [];
      for (const piece of pieces.filter((one) => !one.broken)) {
        for (let index = Math.ceil(piece.from / step - 1e-9); index * step <= piece.to + 1e-9; index += 1) found.push(index * step);
      }
      return [...new Set(found)].map((seconds) => ({ seconds, y: y(seconds) }));
    },
  };
}

function longWaits(points) {
  const waits = points.slice(1).map((to, index) => ({ from: points[index], to }));
  const longest = [...waits].sort((one, other) => other.to - other.from - (one.to - one.from));
  let left = points.length > 0 ? points.at(-1) - points[0] : 0;
  const cut = new Set();
  for (const wait of longest) {
    const length = wait.to - wait.from;
    if (length < LONG_S || length < LONG_PART * left) break;
    cut.add(wait);
    left -= length;
  }
  return waits.filter((wait) => cut.has(wait));
}

/**
 * Places for labels that want to be at `wanted` (ascending): at least `gap` apart, between `low` and `high`, as near to what
 * they want as can be.
 */
export function spread(wanted, gap, low, high) {
  const blocks = [];
  wanted.forEach((place, index) => {
    let block = { sum: place - index * gap, size: 1 };
    while (blocks.length > 0 && blocks.at(-1).sum / blocks.at(-1).size > block.sum / block.size) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, size: before.size + block.size };
    }
    blocks.push(block);
  });
  const highest = high - gap * (wanted.length - 1);
  const places = blocks.flatMap((block) => Array(block.size).fill(Math.min(Math.max(block.sum / block.size, low), Math.max(low, highest))));
  return places.map((place, index) => place + index * gap);
}
