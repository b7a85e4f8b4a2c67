/** A random-looking number for each byte, the same everywhere: both sides have to cut alike. */
export const GEAR: Uint32Array = gear();

/** Of SplitMix32, whose numbers differ in about half of their bits. */
function gear(): Uint32Array {
  let state = 0x70657269;
  return Uint32Array.from({ length: 256 }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  });
}
