import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { OcrnetError } from '../errors.js';
import { notWritten } from '../files.js';
import { maskedCrc32c } from './crc32c.js';
import type { TrainingEvent, TrainingLogger } from './events.js';

// TensorBoard reads files of TFRecords: the length of the data (8 bytes, little-endian), its masked CRC-32C, the data, the
// data's masked CRC-32C. The data of each record is a protocol buffer "Event"; of TensorFlow's event.proto and summary.proto
// this is the part that is used here.

const { Event } = protobuf.Root.fromJSON({
  nested: {
    Event: {
      oneofs: { what: { oneof: ['fileVersion', 'summary', 'sessionLog'] } },
      fields: {
        /** Seconds since 1970. */
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
        sessionLog: { type: 'SessionLog', id: 7 },
      },
    },
    Summary: {
      fields: { value: { rule: 'repeated', type: 'Value', id: 1 } },
      nested: {
        Value: {
          oneofs: { value: { oneof: ['simpleValue', 'image'] } },
          fields: {
            tag: { type: 'string', id: 1 },
            simpleValue: { type: 'float', id: 2 },
            image: { type: 'Image', id: 4 },
          },
        },
        Image: {
          fields: {
            height: { type: 'int32', id: 1 },
            width: { type: 'int32', id: 2 },
            /** Channels: 3 is RGB. */
            colorspace: { type: 'int32', id: 3 },
            encodedImageString: { type: 'bytes', id: 4 },
          },
        },
      },
    },
    SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
  },
}) as unknown as { readonly Event: protobuf.Type };

/** Of SessionLog: tells TensorBoard to forget later steps of files before. */
const sessionStart = 1;

type Value =
  | { readonly tag: string; readonly simpleValue: number }
  | {
      readonly tag: string;
      readonly image: {
        readonly height: number;
        readonly width: number;
        readonly colorspace: number;
        readonly encodedImageString: Uint8Array;
      };
    };

/**
 * Scalars and pictures for TensorBoard, in a new file `events.out.tfevents.…` in `folder`, which is made if it is not there.
 * A resumed training writes another file beside the first; TensorBoard then drops the steps that are taken again. Records
 * are written one by one, so that a running training can be watched.
 *
 * @throws OcrnetError FILE_NOT_WRITTEN
 */
export function tensorBoardLogger(folder: string): TrainingLogger {
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw notWritten(folder, error);
    }
  };
  let descriptor: number | undefined = attempt(() => {
    mkdirSync(folder, { recursive: true });
    return openNew(folder);
  });
  const file = descriptor;
  const write = (event: object): void => attempt(() => writeRecord(file, Event.encode(event).finish()));
  write({ wallTime: Date.now() / 1000, fileVersion: 'brain.Event:2' });
  return {
    log: (event) => {
      if (descriptor === undefined) throw new OcrnetError('DISPOSED', `The log in ${folder} was closed`);
      const [wallTime, step] = [event.at / 1000, event.step];
      if (event.type === 'start' && step > 0) write({ wallTime, step, sessionLog: { status: sessionStart } });
      const value = valuesOf(event);
      if (value.length > 0) write({ wallTime, step, summary: { value } });
      if (event.type === 'end') attempt(() => fsyncSync(file));
    },
    [Symbol.dispose]: () => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

/** TensorBoard reads the files of a folder in the order of their names, so that time comes first. */
function openNew(folder: string): number {
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
  const stem = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`;
  for (let number = 0; ; number++)
    try {
      return openSync(join(folder, `${stem}.${number}`), 'wx');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
}

function valuesOf(event: TrainingEvent): Value[] {
  const scalars = (values: Readonly<Record<string, number | null>>): Value[] =>
    Object.entries(values).flatMap(([tag, simpleValue]) =>
      simpleValue === null ? [] : [{ tag, simpleValue }],
    );
  switch (event.type) {
    case 'step':
      return scalars({
        loss: event.loss,
        ...Object.fromEntries(
          Object.entries(event.losses ?? {}).map(([name, loss]) => [`losses/${name}`, loss]),
        ),
        learning_rate: event.learningRate,
        ...(event.lossScale !== undefined && { loss_scale: event.lossScale }),
        ...(event.elapsedMs > 0 && {
          'speed/pictures_per_second': (1000 * event.pictures) / event.elapsedMs,
          'speed/data_wait': event.dataWaitMs / event.elapsedMs,
        }),
      });
    case 'evaluation':
      return scalars({
        'validation/mIoU': event.miou,
        'validation/pixel_accuracy': event.pixelAccuracy,
        'validation/mean_accuracy': event.meanAccuracy,
        ...Object.fromEntries(event.perClass.map(({ name, iou }) => [`IoU/${name}`, iou])),
      });
    case 'picture': {
      const { name, width, height, png } = event;
      return [{ tag: name, image: { width, height, colorspace: 3, encodedImageString: png } }];
    }
    default:
      return [];
  }
}

function writeRecord(descriptor: number, data: Uint8Array): void {
  const record = Buffer.alloc(data.length + 16);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc32c(data), data.length + 12);
  for (let at = 0; at < record.length; ) at += writeSync(descriptor, record, at);
}
