import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OcrnetError } from '../errors.js';

const fileName = 'ocrnet-hrnet-w18-small-camvid.safetensors';

/**
 * The trained network that comes with the package: HRNet-W18-small with OCR, for the 11 classes of CamVid.
 *
 * @throws OcrnetError FILE_NOT_FOUND where the package has come without it
 */
export function defaultModelFile(): string {
  const path = fileURLToPath(new URL(`../../models/${fileName}`, import.meta.url));
  if (existsSync(path)) return path;
  throw new OcrnetError('FILE_NOT_FOUND', `This copy of ocrnet has no models/${fileName}`, {
    expected: 'another model: a weights file, or the name of a network (on the command line, --model)',
  });
}
