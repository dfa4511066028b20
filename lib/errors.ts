/** What went wrong, for programs: stable across versions. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_GRAPH'
  | 'INVALID_PLAN'
  | 'INVALID_WEIGHTS'
  | 'INVALID_DATA'
  | 'UNSUPPORTED'
  | 'UNSUPPORTED_IMAGE'
  | 'IMAGE_TOO_LARGE'
  | 'FILE_NOT_FOUND'
  | 'FILE_UNREADABLE'
  | 'FILE_NOT_WRITTEN'
  | 'TRAINING_DIVERGED'
  | 'DEVICE_UNAVAILABLE'
  | 'OUT_OF_MEMORY'
  | 'EXECUTION_FAILED'
  | 'DISPOSED'
  | 'ABORTED';

/** What was wanted and what came instead, for people. */
export interface ErrorDetails {
  readonly expected?: string;
  readonly received?: string;
  readonly cause?: unknown;
}

/** The one error class of the package: a stable `code`, a message that names what was expected and what was received. */
export class OcrnetError extends Error {
  override readonly name = 'OcrnetError';
  readonly code: ErrorCode;
  readonly expected: string | undefined;
  readonly received: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const { expected, received, cause } = details;
    const wanted = expected === undefined ? '' : `: expected ${expected}`;
    const got = received === undefined ? '' : `${expected === undefined ? ': ' : ', '}received ${received}`;
    super(`${message}${wanted}${got}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.expected = expected;
    this.received = received;
  }
}

/** The error for an option or argument: `what` names it as the caller wrote it. */
export function invalidArgument(what: string, expected: string, received: unknown): OcrnetError {
  return new OcrnetError('INVALID_ARGUMENT', `Invalid ${what}`, { expected, received: describe(received) });
}

/** A value as an error message shows it: its text and its type, never more than a line. */
export function describe(value: unknown, nested = false): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`;
  if (Array.isArray(value))
    return value.length <= 8 && !nested
      ? `[${value.map((item) => describe(item, true)).join(', ')}]`
      : `an array of ${value.length}`;
  return `an object of type ${(value as object).constructor?.name ?? 'Object'}`;
}
