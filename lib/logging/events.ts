import { z } from 'zod';

// A training's log is a stream of events, and everything that shows a training reads that stream: the log file, TensorBoard,
// the progress bar, the report. The schemas stand here because a log file is read back, by a later version if need be.

/** A loss may be no number, and JSON has no such numbers: they are written as text. */
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const count = z.int().min(0);

const common = {
  /** When, in milliseconds since 1970. */
  at: z.number(),
  /** Steps of the optimiser that were done. */
  step: count,
};

const startSchema = z.object({
  type: z.literal('start'),
  ...common,
  /** The last step of the training. `step` is 0, or the checkpoint's that is resumed. */
  steps: count,
  model: z.string(),
  data: z.string(),
  /** The recipe as people read it; lines are kept. */
  recipe: z.string(),
  /** Pictures in a step. */
  batch: count,
  device: z.string().optional(),
});

const stepSchema = z.object({
  type: z.literal('step'),
  ...common,
  /** What is minimised. */
  loss: number,
  /** Its parts by name, before weighting. */
  losses: z.record(z.string(), number).optional(),
  learningRate: number,
  /** That gradients were computed with, where losses are scaled. */
  lossScale: number.optional(),
  /** Whether a scaled gradient was not finite, so that the parameters stayed as they were. */
  skipped: z.boolean().optional(),
  /** Pictures seen since the step event before. */
  pictures: count,
  /** Time since the step event before, `dataWaitMs` included. */
  elapsedMs: z.number(),
  /** Of that, spent waiting for pictures. */
  dataWaitMs: z.number(),
});

const evaluationSchema = z.object({
  type: z.literal('evaluation'),
  ...common,
  /** 0 to 1, as all that follow. */
  miou: number,
  pixelAccuracy: number,
  meanAccuracy: number,
  perClass: z.array(
    z.object({
      name: z.string(),
      iou: number.nullable(),
      accuracy: number.nullable(),
      pixels: count,
    }),
  ),
});

const checkpointSchema = z.object({
  type: z.literal('checkpoint'),
  ...common,
  path: z.string(),
  /** Whether no checkpoint before had a higher mIoU. */
  best: z.boolean(),
});

const noteSchema = z.object({ type: z.literal('note'), ...common, message: z.string() });

const endSchema = z.object({
  type: z.literal('end'),
  ...common,
  reason: z.enum(['finished', 'stopped', 'failed']),
  message: z.string().optional(),
});

/** The events that a log file holds. */
export const recordedEventSchema = z.discriminatedUnion('type', [
  startSchema,
  stepSchema,
  evaluationSchema,
  checkpointSchema,
  noteSchema,
  endSchema,
]);
export type RecordedEvent = z.infer<typeof recordedEventSchema>;

/** A picture to look at, such as a prediction beside the truth. Log files leave it out. */
export interface PictureEvent {
  readonly type: 'picture';
  readonly at: number;
  readonly step: number;
  readonly name: string;
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** What happens in a training. */
export type TrainingEvent = Readonly<RecordedEvent> | PictureEvent;
export type EventOf<T extends TrainingEvent['type']> = Extract<TrainingEvent, { readonly type: T }>;

/** Hears what happens, at once: when `log` returns, the event is where it has to go. */
export interface TrainingLogger extends Disposable {
  /** @throws OcrnetError FILE_NOT_WRITTEN */
  log(event: TrainingEvent): void;
}

/** One logger that passes on to all. Disposing it disposes them, in the order in which they are given. */
export function combineLoggers(loggers: readonly TrainingLogger[]): TrainingLogger {
  return {
    log: (event) => {
      for (const logger of loggers) logger.log(event);
    },
    [Symbol.dispose]: () => {
      for (const logger of loggers) logger[Symbol.dispose]();
    },
  };
}

/**
 * The events that led to where a training stands: a resumed training starts from a checkpoint, so that steps which went
 * beyond it before are taken again and count once.
 */
export function effectiveEvents<E extends TrainingEvent>(events: readonly E[]): E[] {
  const kept: E[] = [];
  for (const event of events) {
    if (event.type === 'start') while (kept.length > 0 && (kept.at(-1) as E).step > event.step) kept.pop();
    kept.push(event);
  }
  return kept;
}
