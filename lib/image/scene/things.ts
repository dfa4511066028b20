import { cityscapes } from '../palette.js';
import { hash, noise, pick } from './noise.js';

export type Color = readonly [red: number, green: number, blue: number];
/** What a point shows: its class as a Cityscapes train id, its colour, and how bright it is. */
export type Shade = readonly [label: number, color: Color, light: number];

export const classOf = (name: string): number => cityscapes.names.indexOf(name);

const pole = classOf('pole');
const trafficLight = classOf('traffic light');
const trafficSign = classOf('traffic sign');
const vegetation = classOf('vegetation');
const person = classOf('person');
const car = classOf('car');

/** Something upright on the ground at (x, z). `shade` is asked over the unit square: across −1 … 1, up 0 … 1. */
export interface Thing {
  readonly x: number;
  readonly z: number;
  readonly halfWidth: number;
  readonly height: number;
  shade(across: number, up: number): Shade | undefined;
}

/** The things along the street, far to near. */
export function placeThings(seed: number): Thing[] {
  const things: Thing[] = [];
  for (let slot = 0; slot < 14; slot++)
    for (const side of [-1, 1]) {
      const chance = (k: number) => hash(seed + 20 + k, slot, side + 1);
      const z = 3.5 + slot * 3 + 1.5 * chance(0);
      const x = (from: number, to: number) => side * (from + (to - from) * chance(1));
      const look = hash(seed + 30, slot, side + 1);
      if (chance(2) < 0.55) things.push({ ...carLook(look), x: x(1.1, 1.9), z });
      if (chance(3) < 0.6) things.push({ ...personLook(look), x: x(3, 3.9), z: z + 0.7 });
      if (chance(4) < 0.45) things.push({ ...treeLook(seed + slot, side), x: x(4.2, 4.9), z: z + 1.1 });
      if (slot % 3 === 1) things.push({ ...poleLook(look), x: side * 2.85, z: z + 0.3 });
    }
  return things.sort((a, b) => b.z - a.z);
}

type Look = Omit<Thing, 'x' | 'z'>;
const inDisc = (x: number, y: number, radius: number) => x * x + y * y < radius * radius;

function carLook(chance: number): Look {
  const paints: readonly Color[] = [
    [170, 30, 34],
    [36, 62, 130],
    [214, 216, 220],
    [44, 46, 50],
    [120, 126, 132],
  ];
  const color = pick(paints, chance);
  return {
    halfWidth: 0.75,
    height: 1.15,
    shade(across, up) {
      const side = Math.abs(across);
      if (up < 0.16) return side > 0.62 && side < 0.9 ? [car, [24, 24, 26], 1] : undefined;
      if (up > 0.56) {
        if (side > 0.82 - 0.55 * (up - 0.56)) return undefined;
        return up < 0.9 && side < 0.62 ? [car, [62, 78, 92], 0.8 + 0.5 * up] : [car, color, 1.1];
      }
      if (up > 0.36 && up < 0.48 && side > 0.66 && side < 0.94) return [car, [250, 226, 190], 1];
      if (up > 0.2 && up < 0.3 && side < 0.26) return [car, [236, 236, 226], 1];
      return [car, color, 0.7 + 0.6 * up];
    },
  };
}

function personLook(chance: number): Look {
  const coat: Color = [50 + 180 * chance, 60 + 90 * ((chance * 7) % 1), 70 + 140 * ((chance * 13) % 1)];
  return {
    halfWidth: 0.24,
    height: 1.15,
    shade(across, up) {
      const side = Math.abs(across);
      if (inDisc(across * 0.24, (up - 0.91) * 1.15, 0.095))
        return [person, up > 0.93 ? [62, 44, 32] : [206, 160, 132], 1];
      if (up > 0.46 && up < 0.83 && side < 0.78 - 0.5 * (up - 0.46)) return [person, coat, 1.1 - 0.4 * side];
      return up < 0.46 && side > 0.1 && side < 0.52 ? [person, [44, 48, 66], 1 - 0.3 * side] : undefined;
    },
  };
}

function treeLook(seed: number, side: number): Look {
  return {
    halfWidth: 1.1,
    height: 3.6,
    shade(across, up) {
      const leaf = noise(seed, across * 7 + 20 * side + 60, up * 11);
      if (inDisc(across * 1.1, (up - 0.68) * 3.6, 0.7 + 0.45 * leaf))
        return [vegetation, [58, 104, 42], 0.55 + 0.5 * leaf + 0.4 * (up - 0.4)];
      return up < 0.5 && Math.abs(across) < 0.1
        ? [vegetation, [86, 64, 46], 1 - 3 * Math.abs(across)]
        : undefined;
    },
  };
}

const lampHousing: Color = [34, 36, 34];
const lamps: readonly Color[] = [
  [255, 60, 40],
  [255, 190, 40],
  [60, 230, 110],
];

function poleLook(chance: number): Look {
  return {
    halfWidth: 0.3,
    height: 2.9,
    shade(across, up) {
      const side = Math.abs(across);
      if (chance < 0.5 && up > 0.74 && side < 0.42) {
        const lamp = Math.floor((1 - up) * 11.6);
        const on = lamp === Math.floor(chance * 6);
        return [trafficLight, on ? (lamps[lamp] ?? lampHousing) : lampHousing, 1];
      }
      if (chance >= 0.5 && inDisc(across * 0.3, (up - 0.88) * 2.9, 0.29))
        return [
          trafficSign,
          inDisc(across * 0.3, (up - 0.88) * 2.9, 0.2) ? [238, 238, 232] : [196, 30, 36],
          1,
        ];
      return side < 0.14 ? [pole, [112, 116, 120], 1.15 - 3 * side] : undefined;
    },
  };
}
