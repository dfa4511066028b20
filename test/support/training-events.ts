import type { EventOf, TrainingEvent } from '../../lib/logging/events.js';

export const startEvent = (step = 0): EventOf<'start'> => ({
  type: 'start',
  at: 1_700_000_000_000 + step,
  step,
  steps: 100,
  model: 'ocrnet-hrnet-w18-small',
  data: 'CamVid',
  recipe: 'optimiser: sgd\nschedule: poly',
  batch: 4,
});

export const stepEvent = (step: number, loss = 1 / step): EventOf<'step'> => ({
  type: 'step',
  at: 1_700_000_000_000 + 500 * step,
  step,
  loss,
  losses: { final: loss, auxiliary: 2 * loss },
  learningRate: 0.01,
  pictures: 4,
  elapsedMs: 500,
  dataWaitMs: 50,
});

export const evaluationEvent = (step: number, miou = 0.5): EventOf<'evaluation'> => ({
  type: 'evaluation',
  at: 1_700_000_000_000 + 500 * step,
  step,
  miou,
  pixelAccuracy: 0.75,
  meanAccuracy: 0.625,
  perClass: [
    { name: 'road', iou: 0.5, accuracy: 0.625, pixels: 100 },
    { name: 'train', iou: null, accuracy: null, pixels: 0 },
  ],
});

export const training: readonly TrainingEvent[] = [
  startEvent(),
  stepEvent(1),
  stepEvent(2),
  evaluationEvent(2),
  { type: 'checkpoint', at: 1_700_000_001_100, step: 2, path: 'best.safetensors', best: true },
  { type: 'end', at: 1_700_000_001_200, step: 2, reason: 'stopped' },
];
