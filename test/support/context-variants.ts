import { coarseToFineSchemes } from '../../lib/models/contexts/coarse-to-fine.js';
import { type ContextSizes, contextConfig } from '../../lib/models/contexts/defaults.js';
import { type ContextConfig, contextKinds } from '../../lib/models/contexts/index.js';

/** Every kind, and every variant of those that have some. */
export function contextVariants(sizes: ContextSizes = {}): { name: string; context: ContextConfig }[] {
  const plain = contextKinds
    .filter((kind) => kind !== 'coarse-to-fine')
    .map((kind) => ({ name: kind as string, context: contextConfig(kind, sizes) as ContextConfig }));
  const schemes = coarseToFineSchemes.map((scheme) => ({
    name: scheme,
    context: { ...contextConfig('coarse-to-fine', sizes), scheme },
  }));
  const truths = (['regions', 'relation'] as const).map((truth) => ({
    name: `ground-truth ${truth}`,
    context: { ...contextConfig('ground-truth-ocr', sizes), truth },
  }));
  const unsupervised = {
    name: 'ocr without region supervision',
    context: { ...contextConfig('ocr', sizes), supervision: 'auxiliary' } as const,
  };
  const relations = (['da', 'acf'] as const).map((relation) => ({
    name: `ocr with the ${relation} relation`,
    context: { ...contextConfig('ocr', sizes), relation },
  }));
  return [...plain, ...schemes, ...truths, unsupervised, ...relations];
}
