import { InvalidArgumentError, Option } from 'commander';

/** @throws InvalidArgumentError */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1.');
}

/**
 * "512x1024".
 *
 * @throws InvalidArgumentError
 */
export function parseSize(text: string): { height: number; width: number } {
  const match = /^([1-9]\d{0,8})x([1-9]\d{0,8})$/i.exec(text);
  if (!match) throw new InvalidArgumentError('Expected height x width, both from 1, as in 128x256.');
  const [height, width] = match.slice(1).map(Number) as [number, number];
  return { height, width };
}

/** `--input <HxW>` and the like, with a default that is told as it is written. */
export const sizeOption = (flags: string, description: string, text: string): Option =>
  new Option(flags, description).argParser(parseSize).default(parseSize(text), text);
