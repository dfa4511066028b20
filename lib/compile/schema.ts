import { dataTypes } from '../ir/tensor-type.js';
import { operations } from '../ops/index.js';

/** Layout of the encoded plan; raised when encode.ts and decode.cpp change. */
export const planFormatVersion = 2;

/**
 * A 32-bit fingerprint (FNV-1a) of everything that both sides of an encoded plan must agree on: operations in order, their
 * inputs, outputs and attributes. A plan with another fingerprint is refused.
 */
export const schemaFingerprint: number = fnv1a(
  JSON.stringify([
    planFormatVersion,
    dataTypes,
    operations.map(({ name, inputs, optionalInputs, outputs, attributes }) => [
      name,
      inputs,
      optionalInputs,
      outputs,
      attributes,
    ]),
  ]),
);

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
