import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { crc32c } from '../../lib/logging/crc32c.js';
import type { TrainingEvent } from '../../lib/logging/events.js';
import { tensorBoardLogger } from '../../lib/logging/tensorboard.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { evaluationEvent, startEvent, stepEvent } from '../support/training-events.js';

// A reader of its own: TFRecord and the wire format of protocol buffers, with the field numbers of TensorFlow's event.proto.

type Field = { readonly id: number; readonly value: bigint | Buffer };

function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    for (let [value, shift] = [0n, 0n]; ; shift += 7n) {
      const byte = BigInt(message[at++] as number);
      value |= (byte & 0x7fn) << shift;
      if (byte < 0x80n) return value;
    }
  };
  const bytes = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = Number(varint());
    const wire = key & 7;
    const value = wire === 0 ? varint() : bytes(wire === 1 ? 8 : wire === 5 ? 4 : Number(varint()));
    fields.push({ id: key >> 3, value });
  }
  expect(at).to.equal(message.length);
  return fields;
}

const field = (message: Buffer, id: number) => fieldsOf(message).find((one) => one.id === id)?.value as never;

function recordsOf(file: Buffer): Buffer[] {
  const unmasked = (masked: number) => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated << 15) | (rotated >>> 17)) >>> 0;
  };
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    expect(crc32c(file.subarray(at, at + 8))).to.equal(unmasked(file.readUInt32LE(at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(crc32c(data)).to.equal(unmasked(file.readUInt32LE(at + 12 + length)));
    records.push(data);
    at += length + 16;
  }
  return records;
}

/** Scalars of a record by tag, and its step. */
function scalarsOf(record: Buffer) {
  const values = fieldsOf(field(record, 5)).map(({ value }) => value as Buffer);
  const scalars = values.map((value) => [
    (field(value, 1) as Buffer).toString(),
    (field(value, 2) as Buffer).readFloatLE(),
  ]);
  return { step: Number(field(record, 2)), scalars: Object.fromEntries(scalars) };
}

describe('the log of a training for TensorBoard', () => {
  const folder = temporaryFolder();
  function logged(events: readonly TrainingEvent[]): Buffer[] {
    using logger = tensorBoardLogger(folder.path('run'));
    for (const event of events) logger.log(event);
    const name = readdirSync(folder.path('run')).sort().at(-1) as string;
    expect(name).to.match(/^events\.out\.tfevents\.\d{10}\./);
    return recordsOf(readFileSync(folder.path(`run/${name}`)));
  }

  it('begins with the version of its format', () => {
    const [version, ...others] = logged([]);
    expect((field(version as Buffer, 3) as Buffer).toString()).to.equal('brain.Event:2');
    expect((field(version as Buffer, 1) as Buffer).readDoubleLE()).to.be.closeTo(Date.now() / 1000, 60);
    expect(others).to.have.length(0);
  });

  it('has the scalars of steps and evaluations; a class that is absent has none', () => {
    const [, step, evaluation, ...others] = logged([startEvent(), stepEvent(4), evaluationEvent(4)]);
    expect(scalarsOf(step as Buffer)).to.deep.equal({
      step: 4,
      scalars: {
        loss: 0.25,
        'losses/final': 0.25,
        'losses/auxiliary': 0.5,
        learning_rate: Math.fround(0.01),
        'speed/pictures_per_second': 8,
        'speed/data_wait': Math.fround(0.1),
      },
    });
    expect((field(step as Buffer, 1) as Buffer).readDoubleLE()).to.equal(1_700_000_002);
    expect(scalarsOf(evaluation as Buffer)).to.deep.equal({
      step: 4,
      scalars: {
        'validation/mIoU': 0.5,
        'validation/pixel_accuracy': 0.75,
        'validation/mean_accuracy': 0.625,
        'IoU/road': 0.5,
      },
    });
    expect(others).to.have.length(0);
  });

  it('has pictures', () => {
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 255);
    const [, record] = logged([
      { type: 'picture', at: 0, step: 300, name: 'validation/a', png, width: 640, height: 480 },
    ]);
    const value = field(field(record as Buffer, 5), 1) as Buffer;
    expect((field(value, 1) as Buffer).toString()).to.equal('validation/a');
    const image = field(value, 4) as Buffer;
    expect([1, 2, 3].map((id) => Number(field(image, id)))).to.deep.equal([480, 640, 3]);
    expect(Uint8Array.from(field(image, 4) as Buffer)).to.deep.equal(png);
    expect(Number(field(record as Buffer, 2))).to.equal(300);
  });

  it('begins another file when a training is resumed, which takes back later steps', () => {
    logged([startEvent(), stepEvent(9)]);
    const [, session] = logged([startEvent(5)]);
    expect(readdirSync(folder.path('run'))).to.have.length(2);
    expect(Number(field(session as Buffer, 2))).to.equal(5);
    expect(Number(field(field(session as Buffer, 7), 1)), 'SessionLog.START').to.equal(1);
  });

  it('cannot be where a file is, nor written when it is closed', async () => {
    const logger = tensorBoardLogger(folder.path('run'));
    logger[Symbol.dispose]();
    await expectOcrnetError(() => logger.log(stepEvent(1)), 'DISPOSED');
    const file = readdirSync(folder.path('run'))[0] as string;
    await expectOcrnetError(() => tensorBoardLogger(folder.path(`run/${file}`)), 'FILE_NOT_WRITTEN');
  });

  it('checks with CRC-32C', () => {
    // The check value of the algorithm's catalogue entry.
    expect(crc32c(Buffer.from('123456789'))).to.equal(0xe3069283);
    expect(crc32c(new Uint8Array(0))).to.equal(0);
  });
});
