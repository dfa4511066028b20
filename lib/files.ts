import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OcrnetError } from './errors.js';

/** What a file is to hold: text, bytes, or bytes piece by piece. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file so that it is there whole or not at all: under a temporary name in the same folder, flushed to the disk,
 * then renamed over `path`. When anything fails, an error of the content's own iteration included, the temporary file is
 * removed and what stood at `path` is untouched.
 *
 * @throws OcrnetError `FILE_NOT_WRITTEN` where the file system refuses: no such folder, no permission, disk full.
 */
export async function writeFileAtomic(path: string, content: FileContent): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeContent(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw notWritten(path, error);
  }
}

async function writeContent(file: FileHandle, content: FileContent): Promise<void> {
  if (typeof content === 'string' || content instanceof Uint8Array) return file.writeFile(content);
  // FileHandle.writeFile repeats a write that the system cut short; FileHandle.write does not.
  for await (const piece of content) await file.writeFile(piece);
}

/**
 * Opens a file for reading and hands its descriptor to `use`; it is closed again only if `use` throws.
 *
 * @throws OcrnetError `FILE_NOT_FOUND`, or `FILE_UNREADABLE` for a folder or a file without permission.
 */
export function openForReading<T>(path: string, use: (descriptor: number) => T): T {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    return use(descriptor);
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw unreadable(path, error);
  }
}

/** What a failed read of `path` means to the caller; errors that are not the file system's pass unchanged. */
export function unreadable(path: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const code = error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE';
  return new OcrnetError(code, `Cannot read ${path}: ${explain(error)}`, { cause: error });
}

/** What a failed write to `path` means to the caller; errors that are not the file system's pass unchanged. */
export function notWritten(path: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  return new OcrnetError('FILE_NOT_WRITTEN', `Cannot write ${path}: ${explain(error)}`, { cause: error });
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'code' in error;

const explanations: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'it is there already',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is not a folder',
  EFBIG: 'the file is too large for the file system',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
};

const explain = (error: NodeJS.ErrnoException): string => explanations[error.code ?? ''] ?? error.message;
