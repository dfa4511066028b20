/**
 * Word i of a Weyl sequence through MurmurHash3's finaliser: numbers from 0 to 2³² − 1 that bench/peers/peer.py makes with the same
 * bits. `start` chooses one of many sequences.
 */
export function noise(i: number, start: number): number {
  let x = (Math.imul(i, 0x9e3779b9) + start) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
