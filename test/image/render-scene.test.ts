import { expect } from 'chai';
import { cityscapes } from '../../lib/image/palette.js';
import { renderScene } from '../../lib/image/render-scene.js';
import { expectOcrnetError } from '../support/expect-error.js';

const share = (labels: Uint8Array, name: string) =>
  labels.filter((label) => label === cityscapes.names.indexOf(name)).length / labels.length;

describe('renderScene', () => {
  it('is the same for the same seed and another for another', () => {
    const size = { width: 256, height: 128 };
    const [first, again, other] = [7, 7, 8].map((seed) => renderScene({ ...size, seed }));
    expect(again).to.deep.equal(first);
    expect(other).not.to.deep.equal(first);
    expect(first?.data).to.have.lengthOf(3 * 256 * 128);
    expect(first?.labels).to.have.lengthOf(256 * 128);
  });

  it('shows a street with its usual classes in each of many scenes', () => {
    for (let seed = 0; seed < 8; seed++) {
      const { labels } = renderScene({ width: 256, height: 128, seed });
      for (const [name, least] of [
        ['road', 0.15],
        ['sky', 0.04],
        ['building', 0.05],
        ['sidewalk', 0.02],
        ['car', 0.002],
        ['vegetation', 0.002],
      ] as const)
        expect(share(labels, name), `${name} with seed ${seed}`).to.be.at.least(least);
    }
  });

  it('shows people, poles, lights and signs at full size', () => {
    const { labels } = renderScene({ width: 1024, height: 512, seed: 1 });
    for (const name of ['person', 'pole', 'traffic light', 'traffic sign'])
      expect(share(labels, name), name).to.be.greaterThan(0);
  });

  it('labels what it paints: the sky is blue above, the road gray below', () => {
    const { data, labels, width, height } = renderScene({ width: 200, height: 100, seed: 3 });
    const mean = [0, 0, 0];
    const sky = cityscapes.names.indexOf('sky');
    let count = 0;
    for (let i = 0; i < width * height; i++)
      if (labels[i] === sky) {
        count++;
        for (let c = 0; c < 3; c++) mean[c] = (mean[c] as number) + (data[3 * i + c] as number);
      }
    const [red, , blue] = mean as [number, number, number];
    expect(blue / count).to.be.greaterThan(red / count + 20);
    expect(cityscapes.names[labels[(height - 1) * width + width / 2] as number]).to.equal('road');
  });

  it('takes odd and tiny sizes and refuses impossible ones', async () => {
    for (const [width, height] of [
      [1, 1],
      [97, 33],
      [3, 200],
    ] as const)
      expect(renderScene({ width, height }).labels).to.have.lengthOf(width * height);
    await expectOcrnetError(() => renderScene({ width: 0 }), 'INVALID_ARGUMENT', 'width');
    await expectOcrnetError(() => renderScene({ height: 1e9 }), 'INVALID_ARGUMENT', 'height');
    await expectOcrnetError(() => renderScene({ seed: 0.5 }), 'INVALID_ARGUMENT', 'seed');
  });
});
