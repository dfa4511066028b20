import { expect } from 'chai';
import { type ErrorCode, OcrnetError } from '../../lib/errors.js';

/** Runs `action`, which must fail with this code and a message that holds all of `texts`. */
export async function expectOcrnetError(
  action: () => unknown,
  code: ErrorCode,
  ...texts: (string | RegExp)[]
): Promise<OcrnetError> {
  let thrown: unknown;
  try {
    await action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, 'error').to.be.instanceOf(OcrnetError);
  const error = thrown as OcrnetError;
  expect(error.code, error.message).to.equal(code);
  for (const text of texts)
    if (typeof text === 'string') expect(error.message).to.include(text);
    else expect(error.message).to.match(text);
  return error;
}
