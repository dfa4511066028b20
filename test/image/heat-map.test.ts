import { expect } from 'chai';
import { dimmedGray, heatColour, heatOverlay, mapOf } from '../../lib/image/heat-map.js';
import { changeColours, changesOverlay, shareOfChanges } from '../../lib/image/label-changes.js';
import { markPixel } from '../../lib/image/mark-pixel.js';
import { expectOcrnetError } from '../support/expect-error.js';

/** CIE lightness of an sRGB colour, 0 to 100. */
function lightness(colour: readonly number[]): number {
  const [red, green, blue] = colour.map((byte) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return y > 216 / 24389 ? 116 * Math.cbrt(y) - 16 : (24389 / 27) * y;
}

const picture = (width: number, height: number, fill = 200) => ({
  data: new Uint8Array(3 * width * height).fill(fill),
  width,
  height,
});
const pixel = ({ data }: { data: Uint8Array }, i: number) => [...data.subarray(3 * i, 3 * i + 3)];

describe('heat maps', () => {
  it('grow lighter evenly from black to nearly white', () => {
    const steps = 32;
    const values = Array.from({ length: steps + 1 }, (_, i) => lightness(heatColour(i / steps)));
    expect(values[0]).to.be.below(1);
    expect(values[steps]).to.be.above(95);
    const even = (values[steps] as number) / steps;
    for (let i = 1; i <= steps; i++)
      expect((values[i] as number) - (values[i - 1] as number), `step ${i}`).to.be.within(
        0.35 * even,
        1.65 * even,
      );
    expect(heatColour(-1)).to.deep.equal(heatColour(0));
    expect(heatColour(2)).to.deep.equal(heatColour(1));
  });

  it('lie over the picture in gray: hottest at the maximum, nothing where the map is zero', async () => {
    const ground = picture(4, 1);
    const map = { data: Float32Array.of(0, 0.25, 1, 0), width: 4, height: 1 };
    const result = await heatOverlay(ground, map);
    const gray = dimmedGray(ground.data, 0);
    expect(pixel(result, 0)).to.deep.equal(Array.from({ length: 3 }, () => Math.floor(gray)));
    const covered = heatColour(1).map((byte) => Math.floor(0.15 * gray + 0.85 * byte));
    expect(pixel(result, 2)).to.deep.equal(covered);
    // The root of a quarter is a half.
    expect(pixel(result, 1)).to.deep.equal(
      heatColour(128 / 255).map((byte) => Math.floor(0.15 * gray + 0.85 * byte)),
    );
    expect(pixel(await heatOverlay(ground, { ...map, data: new Float32Array(4) }), 1)[0]).to.equal(
      Math.floor(gray),
    );
  });

  it('are brought to the picture’s size', async () => {
    const result = await heatOverlay(picture(8, 6), { data: Float32Array.of(0, 1), width: 2, height: 1 });
    expect(result).to.include({ width: 8, height: 6 });
    expect(pixel(result, 7)[0]).to.be.above(pixel(result, 0)[0] as number);
    const wrong = { data: new Float32Array(3), width: 2, height: 1 };
    await expectOcrnetError(() => heatOverlay(picture(2, 2), wrong), 'INVALID_ARGUMENT', '2×1 numbers');
  });

  it('are one class of several', () => {
    const maps = { data: Float32Array.of(1, 2, 3, 4, 5, 6), width: 3, height: 1 };
    expect([...mapOf(maps, 1).data]).to.deep.equal([2, 4, 6]);
  });
});

describe('changes of labels', () => {
  const before = Uint8Array.of(0, 0, 1, 1);
  const after = Uint8Array.of(0, 1, 0, 2);
  const palette = Uint8Array.of(10, 20, 30, 40, 50, 60, 70, 80, 90);
  const blend = (colour: readonly number[]) => colour.map((byte) => Math.floor(0.85 * byte));

  it('show the new class, or whether it is the right one where that is known', () => {
    const ground = picture(4, 1, 0);
    const shown = changesOverlay(ground, { before, after }, palette);
    expect(pixel(shown, 0)).to.deep.equal([0, 0, 0]);
    expect(pixel(shown, 1)).to.deep.equal(blend([40, 50, 60]));
    const truth = Uint8Array.of(0, 1, 1, 0);
    const judged = changesOverlay(ground, { before, after, truth }, palette);
    expect([1, 2, 3].map((i) => pixel(judged, i))).to.deep.equal(
      [changeColours.repaired, changeColours.spoiled, changeColours.other].map(blend),
    );
    const ignored = changesOverlay(ground, { before, after, truth: truth.fill(255) }, palette);
    expect(pixel(ignored, 1)).to.deep.equal([0, 0, 0]);
    expect(shareOfChanges({ before, after })).to.equal(0.75);
    expect(() => changesOverlay(ground, { before, after: after.subarray(1) }, palette)).to.throw(
      '4×1 labels',
    );
  });
});

describe('a marked pixel', () => {
  it('has a ring around it, cut off at the border', () => {
    const ground = picture(40, 30);
    const marked = markPixel(ground, { x: 20, y: 10 });
    expect(pixel(marked, 10 * 40 + 20), 'the pixel itself').to.deep.equal([200, 200, 200]);
    expect(pixel(marked, 10 * 40 + 24), 'on the ring').to.deep.equal([255, 255, 255]);
    expect(pixel(marked, 0)).to.deep.equal([200, 200, 200]);
    expect(pixel(ground, 10 * 40 + 24), 'a new picture').to.deep.equal([200, 200, 200]);
    const corner = markPixel(ground, { x: 0, y: 29 });
    expect(pixel(corner, 29 * 40 + 4)).to.deep.equal([255, 255, 255]);
    expect(pixel(corner, 28 * 40 + 39), 'not on the other side').to.deep.equal([200, 200, 200]);
  });
});
