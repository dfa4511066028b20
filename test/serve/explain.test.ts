import { expect } from 'chai';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import type { ContextKind } from '../../lib/models/contexts/index.js';
import { loadModel } from '../../lib/serve/load-model.js';
import type { Model } from '../../lib/serve/model.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { scene } from '../support/pictures.js';
import { tinyNetwork } from '../support/tiny-network.js';

const quietly = { onWarning: () => {} };

describe('explaining pictures', () => {
  let model: Model;
  let picture: Buffer;
  before(async () => {
    model = await loadModel(tinyNetwork(4), quietly);
    picture = await scene(70, 50).png().toBuffer();
  });
  after(() => model.dispose());

  it('gives the labels with context and without, each as the scores say', async () => {
    const explanation = await model.explain(picture);
    const { labels } = await model.segment(picture);
    expect(explanation.labels).to.deep.equal(labels);
    const { labelsWithoutContext, changedShare, confidence } = explanation;
    expect(labelsWithoutContext).to.have.length(70 * 50);
    const changed = [...labels].filter((label, i) => label !== labelsWithoutContext[i]).length;
    expect(changed, 'no change would prove nothing').to.be.above(0);
    expect(changedShare).to.equal(changed / labels.length);
    // The network's grid is a quarter of the picture: there the coarse scores are what they are.
    const program = await model.compile({
      ...{ batch: 1, height: 50, width: 70, outputs: ['auxiliaryLogits'] },
    });
    const [, height = 0, width = 0] = program.outputShape('auxiliaryLogits') ?? [];
    const { outputs } = await program.run({ image: explanation.image.data });
    program.dispose();
    const scores = outputs.auxiliaryLogits as Float32Array;
    for (const [corner, cell] of [
      [0, 0],
      [70 * 50 - 1, width * height - 1],
    ] as const) {
      const own = scores.subarray(4 * cell, 4 * cell + 4);
      expect(labelsWithoutContext[corner]).to.equal(own.indexOf(Math.max(...own)));
    }
    const { x, y } = explanation.pixel;
    const place = y * 70 + x;
    expect(labels[place], 'context changed it').not.to.equal(labelsWithoutContext[place]);
    for (const [i, one] of confidence.entries())
      if (labels[i] !== labelsWithoutContext[i]) expect(one).to.be.at.most(confidence[place] as number);
  });

  it('tells of a pixel how much it takes of each region and of each place', async () => {
    const explanation = await model.explain(picture, { pixel: { x: 69, y: 0 } });
    const { pixel, relation, regions } = explanation;
    expect(pixel).to.include({ x: 69, y: 0, label: explanation.labels[69] });
    const { width, height } = relation;
    expect([width, height]).to.deep.equal([regions.width, regions.height]);
    expect(pixel.relation, 'of the upper right cell').to.deep.equal(
      relation.data.slice(4 * (width - 1), 4 * width),
    );
    for (let cell = 0; cell < width * height; cell++) {
      const sum = relation.data.subarray(4 * cell, 4 * cell + 4).reduce((a, b) => a + b);
      expect(sum).to.be.closeTo(1, 1e-5);
    }
    const { context } = pixel;
    expect(context.data.reduce((a, b) => a + b)).to.be.closeTo(1, 1e-4);
    const third = [0, 1, 2, 3].reduce(
      (sum, k) => sum + (pixel.relation[k] as number) * (regions.data[12 + k] as number),
      0,
    );
    expect(context.data[3]).to.be.closeTo(third, 1e-7);
    expect(explanation.pixelContext({ x: 0, y: 49 }).relation).to.deep.equal(
      relation.data.slice(4 * (height - 1) * width, 4 * ((height - 1) * width + 1)),
    );
  });

  it('draws all of it at the picture’s size', async () => {
    const explanation = await model.explain(picture);
    for (const image of [
      explanation.overlayWithoutContext(),
      explanation.changesOverlay(),
      await explanation.regionOverlay(2),
      await explanation.contextOverlay(),
    ]) {
      expect(image).to.include({ width: 70, height: 50 });
      expect(image.data).to.have.length(3 * 70 * 50);
    }
    const example = explanation.example('street');
    expect(example).to.include({ name: 'street', prediction: explanation.labels });
    expect(example).not.to.have.property('truth');
  });

  it('refuses what cannot be explained', async () => {
    for (const pixel of [
      { x: 70, y: 0 },
      { x: 0, y: -1 },
      { x: 0.5, y: 0 },
    ])
      await expectOcrnetError(
        () => model.explain(picture, { pixel }),
        'INVALID_ARGUMENT',
        'x from 0 to 69 and y from 0 to 49',
      );
    const { context: _, ...rest } = tinyNetwork(4);
    const without = async (kind: ContextKind) =>
      await loadModel({ ...rest, context: contextConfig(kind, { channels: 16 }) }, quietly);
    await using ppm = await without('ppm');
    await expectOcrnetError(() => ppm.explain(picture), 'INVALID_ARGUMENT', 'no object regions to explain');
    await using told = await without('ground-truth-ocr');
    await expectOcrnetError(() => told.explain(picture), 'INVALID_ARGUMENT', 'is told the truth');
  });
});
