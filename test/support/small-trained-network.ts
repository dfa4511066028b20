import { GraphBuilder } from '../../lib/ir/builder.js';
import type { Graph } from '../../lib/ir/graph.js';
import { contextConfig } from '../../lib/models/contexts/defaults.js';
import { ocrHead } from '../../lib/models/contexts/ocr.js';
import { imageNetNormalisation, normalise } from '../../lib/models/normalisation.js';
import { convNormActivation, dropout, relu } from '../../lib/nn/layers.js';
import { basicBlock } from '../../lib/nn/residual.js';
import { noActivation } from '../../lib/ops/epilogue.js';
import { add, concat, maxPool2d, resizeBilinear } from '../../lib/ops/index.js';

/**
 * A network with every kind of join that gradients have to pass: residual blocks with and without projection, branches of two
 * sizes that are added and put side by side, values that are read three times, and OCR in the paper's form. With dropout it drops
 * elements in the middle and channels before the classifier.
 */
export function smallTrainedNetwork({
  batch = 2,
  height = 10,
  width = 12,
  classes = 3,
  dropoutRate = 0,
} = {}): Graph {
  const builder = GraphBuilder.forTraining();
  const image = builder.input('image', { dataType: 'uint8', shape: [batch, height, width, 3] });
  const stem = convNormActivation(
    builder.at('stem'),
    [0, 1],
    normalise(builder, image, imageNetNormalisation),
    {
      channels: 4,
      kernel: 3,
      activation: relu,
    },
  );
  const wide = basicBlock(builder.at('wide'), stem, { channels: 4 });
  const pooled = builder
    .at('pool')
    .add(maxPool2d, { x: wide }, { kernel: 3, stride: 2, padding: 1, ceilMode: false }).y;
  const deep = basicBlock(builder.at('deep'), pooled, { channels: 6, dilation: 2 });
  const narrow = builder.at('narrow').at(0);
  const kept = dropout(narrow.at('dropout'), deep, dropoutRate, 'elements');
  const narrowed = convNormActivation(narrow, [0, 1], kept, { channels: 4, kernel: 1 });
  const resize = { height, width, alignCorners: true, ...noActivation };
  const risen = builder.at('rise').add(resizeBilinear, { x: narrowed }, resize).y;
  const sum = builder
    .at('sum')
    .add(add, { a: wide, b: risen }, { activation: 'leakyRelu', negativeSlope: 0.1 }).y;
  const final = builder.at('joint').add(concat, { a: sum, b: wide, c: risen }, {}).y;
  const config = contextConfig('ocr', {
    channels: 5,
    keyChannels: 4,
    pixelConvolution: false,
    dropout: dropoutRate,
  });
  const { logits, auxiliaryLogits } = ocrHead(
    builder,
    { stages: [sum, final], intermediate: sum, final },
    classes,
    config,
  );
  builder.output('logits', logits);
  if (auxiliaryLogits) builder.output('auxiliaryLogits', auxiliaryLogits);
  return builder.build();
}
