import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { OcrnetError } from '../errors.js';
import { notWritten, unreadable } from '../files.js';
import { effectiveEvents, type RecordedEvent, recordedEventSchema, type TrainingLogger } from './events.js';

export interface JsonLinesOptions {
  /** Goes on with a log that is there. Without it a file that is there is an error: a log is not written over. */
  readonly resume?: boolean;
}

/**
 * A log as a file of lines, each an event in JSON. A line is written whole at once, so that the log survives the process;
 * with evaluations, checkpoints and the end it is flushed to the disk. What a crash left of a last line is cut off when the
 * log is resumed. Pictures are left out.
 *
 * @param path - by custom `log.jsonl` in the training's folder
 * @throws OcrnetError FILE_NOT_WRITTEN
 */
export function jsonLinesLogger(path: string, { resume = false }: JsonLinesOptions = {}): TrainingLogger {
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw notWritten(path, error);
    }
  };
  let descriptor: number | undefined = attempt(() => openSync(path, resume ? 'a+' : 'ax'));
  const file = descriptor;
  if (resume) attempt(() => ftruncateSync(file, wholeLines(readFileSync(file)).length));
  return {
    log: (event) => {
      if (descriptor === undefined) throw new OcrnetError('DISPOSED', `The log ${path} was closed`);
      if (event.type === 'picture') return;
      attempt(() => {
        writeAll(file, Buffer.from(`${JSON.stringify(event, withNonFinite)}\n`));
        if (flushed.has(event.type)) fsyncSync(file);
      });
    },
    [Symbol.dispose]: () => {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

const flushed: ReadonlySet<string> = new Set(['evaluation', 'checkpoint', 'end']);

/**
 * The events of a log, without those that a resumed training has taken back, and without a last line that is torn.
 *
 * @throws OcrnetError FILE_NOT_FOUND, FILE_UNREADABLE with the number of a line that is no event
 */
export function readJsonLines(path: string): RecordedEvent[] {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  const lines = wholeLines(content).toString('utf8').split('\n').slice(0, -1);
  return effectiveEvents(lines.map((line, index) => parseLine(line, `${path}:${index + 1}`)));
}

function parseLine(line: string, place: string): RecordedEvent {
  try {
    return recordedEventSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new OcrnetError('FILE_UNREADABLE', `${place} is not an event of a training`, {
      expected: 'a JSON object such as {"type":"step", "at":…, "step":…, "loss":…}',
      received: line.length > 80 ? `${line.slice(0, 77)}...` : line,
      cause,
    });
  }
}

/** Up to the last line break: what stands behind it was being written when the process died. */
const wholeLines = (content: Buffer): Buffer => content.subarray(0, content.lastIndexOf(0x0a) + 1);

function withNonFinite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** A write may be cut short, as by a disk that fills up; the next attempt then says why. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
