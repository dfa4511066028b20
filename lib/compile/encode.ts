import type { Field } from '../ir/attributes.js';
import type { AnyOpSpec, AttributeValue, AttributeValues } from '../ir/op.js';
import { dataTypes, type TensorType } from '../ir/tensor-type.js';
import { opcodeOf } from '../ops/index.js';
import { planFormatVersion, schemaFingerprint } from './schema.js';

/** Where a planned tensor lies, in the order of the codes in an encoded plan. */
export const storages = ['arena', 'parameter', 'input', 'output', 'state'] as const;

export interface PlannedTensor {
  readonly type: TensorType;
  readonly storage: (typeof storages)[number];
  /** Of the parameter, input, output or state block; 0 in the arena. */
  readonly index: number;
  /** Bytes from the start of the arena or of the state block. */
  readonly offset: number;
  /** Elements from one pixel (row of channels) to the next. */
  readonly pixelStride: number;
}

export interface PlannedStep {
  readonly spec: AnyOpSpec;
  readonly path: string;
  /** Tensors in the order of the spec's required and optional inputs; undefined where absent. */
  readonly inputs: readonly (number | undefined)[];
  readonly outputs: readonly (number | undefined)[];
  readonly attributes: AttributeValues;
  readonly algorithm: number;
  readonly scratchOffset: number;
  readonly scratchBytes: number;
}

export interface Binding {
  readonly name: string;
  readonly tensor: number;
}

/** A block of the device's state that the plan works on. */
export interface PlannedState {
  readonly name: string;
  /** Float32 numbers in it. */
  readonly elements: number;
}

/** A plan as data: what is encoded, printed and compared. */
export interface PlanLayout {
  readonly arenaBytes: number;
  readonly tensors: readonly PlannedTensor[];
  readonly parameters: readonly Binding[];
  readonly inputs: readonly Binding[];
  readonly outputs: readonly Binding[];
  readonly states: readonly PlannedState[];
  readonly steps: readonly PlannedStep[];
}

const magic = 0x5052434f; // "OCRP"
const absent = 0xffffffff;
/** The algorithm of a step that the device is still to choose. */
export const unchosen = 0xffffffff;

/**
 * A plan as bytes, little-endian 32-bit words. Header: magic, version, fingerprint, arenaBytes (2 words), counts of tensors,
 * parameters, inputs, outputs, states, steps, bytes of text. Then these lists in order, then the text (UTF-8, names and paths as
 * (start, length) into it). native/plan/decode.cpp reads it.
 */
export function encodePlan(plan: PlanLayout): Uint8Array {
  const writer = new WordWriter();
  const text = new TextPool();
  writer.words(magic, planFormatVersion, schemaFingerprint);
  writer.long(plan.arenaBytes);
  const { tensors, parameters, inputs, outputs, states, steps } = plan;
  writer.words(tensors.length, parameters.length, inputs.length, outputs.length, states.length, steps.length);
  const textBytesAt = writer.reserve();
  for (const tensor of tensors) encodeTensor(writer, tensor);
  for (const { name, tensor } of [...parameters, ...inputs, ...outputs])
    writer.words(...text.add(name), tensor);
  for (const { name, elements } of states) {
    writer.words(...text.add(name));
    writer.long(elements);
  }
  for (const step of steps) encodeStep(writer, text, step);
  const bytes = text.bytes();
  writer.set(textBytesAt, bytes.length);
  return writer.finish(bytes);
}

/** Type, rank, four sizes (1 where there are fewer), storage, index, offset (2 words), pixel stride. */
function encodeTensor(
  writer: WordWriter,
  { type, storage, index, offset, pixelStride }: PlannedTensor,
): void {
  const sizes = [0, 1, 2, 3].map((i) => type.shape[i] ?? 1);
  writer.words(
    dataTypes.indexOf(type.dataType),
    type.shape.length,
    ...sizes,
    storages.indexOf(storage),
    index,
  );
  writer.long(offset);
  writer.words(pixelStride);
}

/** Opcode, path, algorithm, scratch offset and bytes (2 words each), inputs, outputs, attributes: counts from the schema. */
function encodeStep(writer: WordWriter, text: TextPool, step: PlannedStep): void {
  writer.words(opcodeOf(step.spec), ...text.add(step.path), step.algorithm);
  writer.long(step.scratchOffset);
  writer.long(step.scratchBytes);
  for (const tensor of [...step.inputs, ...step.outputs]) writer.words(tensor ?? absent);
  for (const [name, field] of Object.entries(step.spec.attributes))
    encodeAttribute(writer, field, step.attributes[name] as AttributeValue);
}

function encodeAttribute(writer: WordWriter, field: Field, value: AttributeValue): void {
  if (field.kind === 'float') writer.float(value as number);
  else if (field.kind === 'bool') writer.words(value === true ? 1 : 0);
  else if (field.kind === 'enum') writer.words(field.of.indexOf(value as string));
  else writer.words(value as number);
}

class WordWriter {
  readonly #words: number[] = [];

  words(...values: readonly number[]): void {
    for (const value of values) this.#words.push(value >>> 0);
  }

  long(value: number): void {
    this.words(value % 2 ** 32, Math.floor(value / 2 ** 32));
  }

  float(value: number): void {
    this.words(new Uint32Array(Float32Array.of(value).buffer)[0] as number);
  }

  reserve(): number {
    return this.#words.push(0) - 1;
  }

  set(index: number, value: number): void {
    this.#words[index] = value;
  }

  finish(tail: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(this.#words.length * 4 + tail.length);
    const view = new DataView(bytes.buffer);
    this.#words.forEach((word, i) => {
      view.setUint32(i * 4, word, true);
    });
    bytes.set(tail, this.#words.length * 4);
    return bytes;
  }
}

/** Names and paths one behind another. */
class TextPool {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  add(text: string): [start: number, length: number] {
    const part = new TextEncoder().encode(text);
    this.#parts.push(part);
    this.#length += part.length;
    return [this.#length - part.length, part.length];
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
