import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { ocrnet } from '../support/command-line.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { saveTinyNetwork } from '../support/tiny-network.js';

describe('ocrnet export', () => {
  const folder = temporaryFolder();

  it('writes a file that onnxruntime runs', async () => {
    const path = folder.path('network.onnx');
    const { code, stdout, stderr } = await ocrnet([
      'export',
      await saveTinyNetwork(5, folder.path('tiny.safetensors')),
      '--input',
      '2x33x65x3',
      '--onnx',
      path,
    ]);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.include('(2, 33, 65, 3)');
    const session = await InferenceSession.create(await readFile(path), { logSeverityLevel: 3 });
    const image = new Tensor('uint8', new Uint8Array(2 * 33 * 65 * 3), [2, 33, 65, 3]);
    const { logits } = await session.run({ image });
    expect(logits?.dims.slice(0, 2)).to.deep.equal([2, 5]);
    await session.release();
  });

  it('says where it cannot write', async () => {
    const { code, stderr } = await ocrnet([
      'export',
      await saveTinyNetwork(5, folder.path('tiny.safetensors')),
      '--onnx',
      folder.path('no/where.onnx'),
    ]);
    expect(code).to.equal(1);
    expect(stderr).to.match(/where\.onnx: there is no such file or folder \[FILE_NOT_WRITTEN\]$/);
  });
});
