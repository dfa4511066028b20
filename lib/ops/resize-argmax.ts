import { bool, int, oneOf } from '../ir/attributes.js';
import { defineOp, notDifferentiable, requireShape } from '../ir/op.js';
import { elementCount, formatType } from '../ir/tensor-type.js';
import { nhwc, requirePositive } from './shapes.js';

/**
 * The class of each pixel: logits (N, h, w, K) resized bilinearly to height × width, then argmax over k (the lowest class
 * wins a tie), without ever holding the resized logits. labels (N, height, width); confidence (N, height, width) is the
 * softmax probability of that class, computed only where it is read.
 */
export const resizeArgmax = defineOp({
  name: 'resizeArgmax',
  summary: 'labels at full size from class scores',
  inputs: ['logits'],
  optionalInputs: [],
  outputs: ['labels', 'confidence'],
  attributes: {
    height: int,
    width: int,
    alignCorners: bool,
    labelType: oneOf('LabelType', ['uint8', 'uint16']),
  },
  facts: { exactInputs: ['logits'] },
  infer({ logits }, { height, width, labelType }) {
    const [batch, , , classes] = nhwc(logits, 'logits');
    requirePositive({ height, width });
    requireShape(logits.dataType === 'float32', () => `needs logits in float32, got ${formatType(logits)}`);
    const most = labelType === 'uint8' ? 256 : 65536;
    requireShape(
      classes <= most,
      () => `cannot write ${classes} classes as ${labelType}, which holds ${most}`,
    );
    const shape = [batch, height, width];
    return { labels: { dataType: labelType, shape }, confidence: { dataType: 'float32', shape } };
  },
  flops: ({ logits }, { labels }) => 9 * elementCount(labels.shape) * (logits.shape[3] as number),
  gradient: notDifferentiable, // labels are whole numbers
});
