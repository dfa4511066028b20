import { closeSync, fstatSync, readSync } from 'node:fs';
import { OcrnetError } from '../errors.js';
import { openForReading, unreadable, writeFileAtomic } from '../files.js';
import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from '../ir/float16.js';
import { elementCount, formatShape, type Shape } from '../ir/tensor-type.js';
import {
  lengthBytes,
  maximumHeaderBytes,
  metadataKey,
  parseHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  type SafetensorsType,
  safetensorsTypes,
} from './safetensors-header.js';
import type { TensorSource } from './tensor-source.js';

/**
 * The safetensors format: eight bytes with the header's length (little endian), the header as JSON (each tensor's type,
 * shape and place), then the tensors' bytes. Nothing in it can execute, and a tensor can be read without the others.
 */

/** An open file: one descriptor and the header. Tensors are read one at a time, so a file is never held whole. */
export interface SafetensorsFile extends TensorSource {
  /** What the writer noted: ocrnet's own files say the model's configuration here. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  /**
   * One tensor as float32, in row-major order: 16-bit floats widened, float64 rounded, integers converted.
   *
   * @throws OcrnetError `INVALID_WEIGHTS` for an unknown name or a type with no such meaning, `FILE_UNREADABLE` when the
   * disk fails, `DISPOSED` after `close`.
   */
  read(name: string): Float32Array;
  /** Closes the file; may be called more than once. */
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * Opens a safetensors file and checks its whole header against the file's size.
 *
 * @throws OcrnetError `FILE_NOT_FOUND`, `FILE_UNREADABLE`, or `INVALID_WEIGHTS` naming file, tensor, what was expected and
 * what was received.
 */
export function openSafetensors(path: string): SafetensorsFile {
  return openForReading(path, (descriptor) => new OpenFile(path, descriptor));
}

class OpenFile implements SafetensorsFile {
  readonly description: string;
  readonly metadata: SafetensorsHeader['metadata'];
  readonly tensors: SafetensorsHeader['tensors'];
  #descriptor: number | undefined;

  constructor(path: string, descriptor: number) {
    const header = readHeader(path, descriptor);
    this.description = path;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.#descriptor = descriptor;
  }

  read(name: string): Float32Array {
    if (this.#descriptor === undefined)
      throw new OcrnetError('DISPOSED', `${this.description} is closed: cannot read "${name}" from it`);
    const entry = this.tensors.get(name);
    if (!entry) throw new OcrnetError('INVALID_WEIGHTS', `${this.description} holds no tensor "${name}"`);
    const decode = decoders[entry.dataType];
    if (!decode)
      throw new OcrnetError('INVALID_WEIGHTS', `${this.description}: tensor "${name}" has the wrong type`, {
        expected: `one of ${Object.keys(decoders).join(', ')}`,
        received: entry.dataType,
      });
    try {
      return decode(readExactly(this.description, this.#descriptor, entry.offset, entry.byteLength));
    } catch (error) {
      throw unreadable(this.description, error);
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const decoders: Readonly<Partial<Record<SafetensorsType, (bytes: ArrayBuffer) => Float32Array>>> = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => widenFloat16(new Uint16Array(bytes)),
  BF16: (bytes) => widenBfloat16(new Uint16Array(bytes)),
  F64: (bytes) => Float32Array.from(new Float64Array(bytes)),
  I64: (bytes) => Float32Array.from(new BigInt64Array(bytes), Number),
  I32: (bytes) => Float32Array.from(new Int32Array(bytes)),
  U8: (bytes) => Float32Array.from(new Uint8Array(bytes)),
};

function readHeader(path: string, descriptor: number): SafetensorsHeader {
  const { size } = fstatSync(descriptor);
  if (size < lengthBytes)
    throw notSafetensors(path, `at least ${lengthBytes} bytes`, size === 0 ? 'an empty file' : `${size}`);
  const length = Number(new DataView(readExactly(path, descriptor, 0, lengthBytes)).getBigUint64(0, true));
  if (length > maximumHeaderBytes)
    throw notSafetensors(path, `a header of at most ${maximumHeaderBytes} bytes`, `${length}`);
  if (lengthBytes + length > size)
    throw notSafetensors(path, `a file of at least ${lengthBytes + length} bytes, its header`, `${size}`);
  const text = new Uint8Array(readExactly(path, descriptor, lengthBytes, length));
  return parseHeader(path, text, size - lengthBytes - length);
}

const notSafetensors = (path: string, expected: string, received: string) =>
  new OcrnetError('INVALID_WEIGHTS', `${path} is not a safetensors file, or truncated`, {
    expected,
    received,
  });

function readExactly(path: string, descriptor: number, offset: number, byteLength: number): ArrayBuffer {
  const bytes = new Uint8Array(byteLength);
  for (let done = 0; done < byteLength; ) {
    const count = readSync(descriptor, bytes, done, byteLength - done, offset + done);
    if (count === 0)
      throw new OcrnetError('INVALID_WEIGHTS', `${path} became shorter while it was read`, {
        expected: `at least ${offset + byteLength} bytes`,
        received: `${offset + done}`,
      });
    done += count;
  }
  return bytes.buffer;
}

/** Element types in which weights can be written. */
export type SafetensorsWriteType = 'float32' | 'float16' | 'bfloat16';

const encoders: Readonly<
  Record<SafetensorsWriteType, { dataType: SafetensorsType; encode(data: Float32Array): ArrayBufferView }>
> = {
  float32: { dataType: 'F32', encode: (data) => data },
  float16: { dataType: 'F16', encode: narrowToFloat16 },
  bfloat16: { dataType: 'BF16', encode: narrowToBfloat16 },
};

/**
 * Writes tensors in row-major order, filters as (O, I, kh, kw), asking for one at a time. The file is there whole or not at
 * all.
 *
 * @throws OcrnetError `INVALID_ARGUMENT` for a tensor whose shape does not fit its data or a name that the format keeps for
 * itself, `FILE_NOT_WRITTEN` where the file system refuses.
 */
export async function writeSafetensors(
  path: string,
  source: Pick<TensorSource, 'tensors' | 'read'>,
  metadata: Readonly<Record<string, string>> = {},
  { dataType = 'float32' }: { dataType?: SafetensorsWriteType } = {},
): Promise<void> {
  const { dataType: fileType, encode } = encoders[dataType];
  const header = encodeHeader(source.tensors, metadata, fileType);
  await writeFileAtomic(
    path,
    (function* () {
      yield header;
      for (const [name, { shape }] of source.tensors) {
        const data = source.read(name);
        requireFit(name, shape, data);
        const encoded = encode(data);
        yield new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
      }
    })(),
  );
}

function encodeHeader(
  tensors: TensorSource['tensors'],
  metadata: Readonly<Record<string, string>>,
  dtype: SafetensorsType,
): Uint8Array {
  const entries = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) entries.set(metadataKey, metadata);
  let offset = 0;
  for (const [name, { shape }] of tensors) {
    if (name === metadataKey)
      throw new OcrnetError('INVALID_ARGUMENT', `A tensor cannot be called "${name}": the name is taken`);
    const end = offset + elementCount(shape) * safetensorsTypes[dtype];
    entries.set(name, { dtype, shape, data_offsets: [offset, end] });
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  // Spaces behind the header let the data start at a multiple of eight, so that others can map it.
  const padded = Math.ceil(text.length / 8) * 8;
  const header = Buffer.alloc(lengthBytes + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  text.copy(header, lengthBytes);
  return header;
}

function requireFit(name: string, shape: Shape, data: Float32Array): void {
  if (elementCount(shape) !== data.length)
    throw new OcrnetError('INVALID_ARGUMENT', `Tensor "${name}" does not fit its shape`, {
      expected: `${elementCount(shape)} elements for ${formatShape(shape)}`,
      received: `${data.length}`,
    });
}
