import { truncate, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { loadModel } from '../../lib/serve/load-model.js';
import type { Model } from '../../lib/serve/model.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { pictureThatClaims, scene } from '../support/pictures.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyNetwork } from '../support/tiny-network.js';

const quietly = { onWarning: () => {} };

describe('what a model refuses', () => {
  const folder = temporaryFolder();
  let model: Model;
  before(async () => {
    model = await loadModel(tinyNetwork(3), quietly);
  });
  after(() => model.dispose());

  it('pictures that are none or damaged', async () => {
    const path = folder.path('picture.jpg');
    await scene(64, 64).jpeg().toFile(path);
    await truncate(path, 900);
    await expectOcrnetError(() => model.segment(path), 'UNSUPPORTED_IMAGE', 'picture.jpg');
    await writeFile(path, '');
    await expectOcrnetError(() => model.segment(path), 'UNSUPPORTED_IMAGE', 'empty');
    await writeFile(path, 'Dear picture,\n');
    await expectOcrnetError(() => model.segment(path), 'UNSUPPORTED_IMAGE', 'picture.jpg');
    await expectOcrnetError(() => model.segment(Buffer.alloc(0)), 'UNSUPPORTED_IMAGE');
    await expectOcrnetError(() => model.segment(folder.path('absent.jpg')), 'FILE_NOT_FOUND', 'absent.jpg');
    await expectOcrnetError(() => model.segment(folder.root()), 'FILE_UNREADABLE', 'folder');
  });

  it('pictures that are too large, before they are decoded', async () => {
    const huge = await pictureThatClaims(20000, 20000);
    await expectOcrnetError(() => model.segment(huge), 'IMAGE_TOO_LARGE', '20000×20000');
    const picture = await scene(20, 20).png().toBuffer();
    await expectOcrnetError(() => model.segment(picture, { maxPixels: 399 }), 'IMAGE_TOO_LARGE', '399');
    expect((await model.segment(picture, { maxPixels: 400 })).width).to.equal(20);
  });

  it('inputs and options that are no such thing', async () => {
    const raw = { data: new Uint8Array(11), width: 2, height: 2, channels: 3 as const };
    await expectOcrnetError(() => model.segment(raw), 'INVALID_ARGUMENT', '2×2×3');
    await expectOcrnetError(() => model.segment(42 as never), 'INVALID_ARGUMENT', 'a path', '42');
    await expectOcrnetError(() => model.segment(raw, { maxPixels: 0 }), 'INVALID_ARGUMENT', 'maxPixels');
    await using plain = await loadModel('resnet18', quietly);
    const picture = await scene(20, 20).png().toBuffer();
    await expectOcrnetError(() => plain.segment(picture, { regions: true }), 'INVALID_ARGUMENT', 'regions');
  });

  it('to go on after its signal', async () => {
    const picture = await scene(64, 64).png().toBuffer();
    const reason = new Error('enough');
    const error = await expectOcrnetError(
      () => model.segment(picture, { signal: AbortSignal.abort(reason) }),
      'ABORTED',
    );
    expect(error.cause).to.equal(reason);
    const later = new AbortController();
    const running = model.segment(await scene(700, 700).png().toBuffer(), { signal: later.signal });
    setTimeout(() => later.abort(), 60);
    await expectOcrnetError(() => running, 'ABORTED');
    expect((await model.segment(picture)).width, 'the model is as good as before').to.equal(64);
  });

  it('to work once it is disposed', async () => {
    const gone = await loadModel(tinyNetwork(3), quietly);
    await gone.dispose();
    await gone.dispose();
    const picture = await scene(16, 16).png().toBuffer();
    await expectOcrnetError(() => gone.segment(picture), 'DISPOSED');
    await expectOcrnetError(() => gone.save(folder.path('gone.safetensors')), 'DISPOSED');
    await expectOcrnetError(
      () => gone.compile({ batch: 1, height: 16, width: 16, outputs: ['labels'] }),
      'DISPOSED',
    );
  });
});
