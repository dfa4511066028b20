import { invalidArgument } from '../errors.js';
import type { RgbImage } from './decode.js';
import { hash, noise, pick } from './scene/noise.js';
import { type Color, classOf, placeThings, type Shade, type Thing } from './scene/things.js';

/**
 * A street, seen along its middle from a camera one unit above the ground. For each pixel the ray hits the ground, one of
 * two house fronts, or the sky; cars, people, trees and poles stand on the ground as upright pictures, painted far to near.
 */

export interface SceneOptions {
  readonly width?: number;
  readonly height?: number;
  /** The same seed gives the same scene, on every machine. */
  readonly seed?: number;
}

/** A rendered picture and the exact class of each pixel, as Cityscapes train ids. */
export interface Scene extends RgbImage {
  readonly labels: Uint8Array;
}

const road = classOf('road');
const sidewalk = classOf('sidewalk');
const terrain = classOf('terrain');
const building = classOf('building');
const sky = classOf('sky');

/** Half widths, in units of the camera's height. */
const roadEdge = 2.6;
const pavementEdge = 4.1;
const houseLine = 5.2;
const horizon = 0.45;

/** @throws OcrnetError `INVALID_ARGUMENT` for a size or seed that is none */
export function renderScene({ width = 1024, height = 512, seed = 1 }: SceneOptions = {}): Scene {
  for (const [name, size] of Object.entries({ width, height }))
    if (!Number.isSafeInteger(size) || size < 1 || size > 16384)
      throw invalidArgument(name, 'an integer from 1 to 16384', size);
  if (!Number.isSafeInteger(seed)) throw invalidArgument('seed', 'an integer', seed);
  const scene: Scene = {
    data: new Uint8Array(3 * width * height),
    labels: new Uint8Array(width * height),
    width,
    height,
  };
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const u = (x + 0.5 - width / 2) / height;
      const v = (y + 0.5) / height - horizon;
      paint(scene, x, y, backdrop(seed, u, v));
    }
  for (const thing of placeThings(seed)) paintThing(scene, thing);
  return scene;
}

function paint({ data, labels, width }: Scene, x: number, y: number, [kind, color, light]: Shade): void {
  const i = y * width + x;
  labels[i] = kind;
  for (let c = 0; c < 3; c++) data[3 * i + c] = Math.max(0, Math.min(255, (color[c] as number) * light));
}

/** What lies behind all things in the direction (u, v) from the vanishing point, v downwards. */
function backdrop(seed: number, u: number, v: number): Shade {
  const wallDistance = houseLine / Math.max(Math.abs(u), 1e-6);
  const groundDistance = v > 0 ? 1 / v : Infinity;
  if (wallDistance < groundDistance) {
    const shade = house(seed, u < 0 ? 0 : 1, wallDistance, 1 - v * wallDistance);
    if (shade) return shade;
  }
  if (v > 0) return ground(seed, u * groundDistance, groundDistance);
  const cloud = noise(seed + 1, u * 5 + 40, v * 12 + 40) + 0.5 * noise(seed + 2, u * 11 + 90, v * 25 + 90);
  const white = Math.max(0, cloud - 0.75) * 1.2;
  const haze = 1 + v * 0.9;
  return [sky, [95 + 90 * haze + 120 * white, 150 + 60 * haze + 80 * white, 215 + 30 * haze], 1];
}

function ground(seed: number, x: number, z: number): Shade {
  const grain = 0.9 + 0.2 * noise(seed + 3, x * 9 + 500, z * 9);
  const across = Math.abs(x);
  if (across < roadEdge) {
    const dashed = across < 0.06 && (z / 2) % 1 < 0.5;
    const edge = Math.abs(across - roadEdge + 0.25) < 0.04;
    return [road, dashed || edge ? [215, 215, 205] : [92, 92, 96], grain];
  }
  if (across < pavementEdge) {
    const curb = across < roadEdge + 0.12;
    const joint = (x * 2 + 100) % 1 < 0.06 || (z * 2) % 1 < 0.06;
    return [sidewalk, curb ? [190, 188, 182] : [158, 150, 144], joint && !curb ? 0.8 * grain : grain];
  }
  return [terrain, [88, 118, 58], 0.75 + 0.5 * noise(seed + 4, x * 20 + 500, z * 20)];
}

const plaster: readonly Color[] = [
  [178, 150, 122],
  [152, 92, 74],
  [196, 190, 178],
  [128, 134, 142],
  [206, 178, 130],
];

/** A point of the house front on one side, `up` above the ground and `z` away; undefined beside and above the houses. */
function house(seed: number, side: number, z: number, up: number): Shade | undefined {
  const plot = Math.floor(z / 6);
  const along = z / 6 - plot;
  const chance = hash(seed + 5 + side, plot);
  if (z > 70) return up < 3.5 ? [building, [150, 158, 168], 1] : undefined;
  if (up < 0 || along > 0.93 || chance < 0.12) return undefined;
  if (up > 4 + 6 * chance) return undefined;
  const [storey, bay] = [up / 1.6, along * 5];
  const window = storey % 1 > 0.3 && storey % 1 < 0.8 && bay % 1 > 0.28 && bay % 1 < 0.74;
  const lit = hash(seed + 7, Math.floor(storey) * 64 + plot, Math.floor(bay) + 8 * side);
  const sun = side === 0 ? 0.78 : 1.05;
  if (window) return [building, lit > 0.8 ? [236, 214, 150] : [58, 70, 86], sun];
  const color = pick(plaster, hash(seed + 8 + side, plot));
  return [building, color, sun * (0.92 + 0.16 * noise(seed + 9, z * 6, up * 6 + 50))];
}

function paintThing(scene: Scene, { x, z, halfWidth, height, shade }: Thing): void {
  const unit = scene.height / z;
  const middle = scene.width / 2 + x * unit;
  const foot = scene.height * horizon + unit;
  const left = Math.max(0, Math.floor(middle - halfWidth * unit));
  const right = Math.min(scene.width, Math.ceil(middle + halfWidth * unit));
  const top = Math.max(0, Math.floor(foot - height * unit));
  const bottom = Math.min(scene.height, Math.ceil(foot));
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++) {
      const across = (column + 0.5 - middle) / (halfWidth * unit);
      const up = (foot - row - 0.5) / (height * unit);
      const point = Math.abs(across) <= 1 && up >= 0 && up <= 1 ? shade(across, up) : undefined;
      if (point) paint(scene, column, row, point);
    }
}
