import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { openSafetensors, writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import type { TensorSource } from '../../lib/checkpoint/tensor-source.js';
import type { Shape } from '../../lib/ir/tensor-type.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const tensors: readonly NamedTensor[] = [
  { name: 'conv.weight', shape: [2, 1, 1, 3], data: Float32Array.of(0, -0, 1.5, -2.25, 1e-8, 3e38) },
  { name: 'scalar', shape: [], data: Float32Array.of(7) },
  { name: 'empty', shape: [0, 4], data: new Float32Array(0) },
];

interface NamedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

const inMemory = (list: readonly NamedTensor[]): Pick<TensorSource, 'tensors' | 'read'> => {
  const byName = new Map(list.map((tensor) => [tensor.name, tensor]));
  return { tensors: byName, read: (name) => (byName.get(name) as NamedTensor).data };
};

/** A file as another program might write it: `header` is JSON text or an object. */
function fileWith(header: unknown, dataBytes: number): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

const f32 = (shape: number[], begin: number, end: number) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  const folder = temporaryFolder();

  it('reads what it wrote, bit by bit', async () => {
    const path = folder.path('a.safetensors');
    await writeSafetensors(path, inMemory(tensors), { format: 'pt', note: 'ü"\\' });
    using file = openSafetensors(path);
    expect([...file.metadata]).to.deep.equal([
      ['format', 'pt'],
      ['note', 'ü"\\'],
    ]);
    expect([...file.tensors.keys()]).to.have.members(tensors.map(({ name }) => name));
    for (const { name, shape, data } of tensors) {
      expect(file.tensors.get(name)?.shape).to.deep.equal(shape);
      expect(Buffer.from(file.read(name).buffer)).to.deep.equal(Buffer.from(data.buffer));
    }
    expect((await stat(path)).mode & 0o777, 'as readable as other new files').to.equal(
      0o666 & ~process.umask(),
    );
  });

  it('starts its data at a multiple of eight bytes', async () => {
    const path = folder.path('a.safetensors');
    for (const name of ['a', 'ab', 'abc', 'abcd', 'abcde']) {
      await writeSafetensors(path, inMemory([{ name, shape: [1], data: Float32Array.of(1) }]));
      expect((await readFile(path)).readBigUInt64LE() % 8n).to.equal(0n);
    }
  });

  it('rounds to float16 and bfloat16 to nearest even', async () => {
    const path = folder.path('a.safetensors');
    // value, float16, bfloat16
    const rows: [number, number, number][] = [
      [1, 1, 1],
      [-0, -0, -0],
      [1 + 2 ** -11, 1, 1],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9, 1],
      [1 + 2 ** -8, 1 + 2 ** -8, 1],
      [1 + 3 * 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -6],
      [65504, 65504, 65536],
      [65519.99609375, 65504, 65536],
      [65520, Infinity, 65536],
      [2 ** -24, 2 ** -24, 2 ** -24],
      [2 ** -25, 0, 2 ** -25],
      [3 * 2 ** -25, 2 ** -23, 3 * 2 ** -25],
      [-(2 ** -14) + 2 ** -25, -(2 ** -14), -(2 ** -14)],
      [Infinity, Infinity, Infinity],
      [-Infinity, -Infinity, -Infinity],
      [NaN, NaN, NaN],
    ];
    const data = Float32Array.from(rows, ([value]) => value);
    for (const [column, dataType] of [
      [1, 'float16'],
      [2, 'bfloat16'],
    ] as const) {
      await writeSafetensors(path, inMemory([{ name: 'x', shape: [data.length], data }]), {}, { dataType });
      using file = openSafetensors(path);
      expect([...file.read('x')], dataType).to.deep.equal(rows.map((row) => row[column]));
    }
  });

  it('widens every float16 and keeps its bits on the way back', async () => {
    const path = folder.path('a.safetensors');
    const bytes = fileWith({ x: { dtype: 'F16', shape: [65536], data_offsets: [0, 131072] } }, 131072);
    for (let i = 0; i < 65536; i++) bytes.writeUInt16LE(i, bytes.length - 131072 + 2 * i);
    await writeFile(path, bytes);
    using file = openSafetensors(path);
    const values = file.read('x');
    await writeSafetensors(
      folder.path('b'),
      inMemory([{ name: 'x', shape: [65536], data: values }]),
      {},
      { dataType: 'float16' },
    );
    const again = await readFile(folder.path('b'));
    for (let i = 0; i < 65536; i++)
      if (!Number.isNaN(values[i]))
        expect(again.readUInt16LE(again.length - 131072 + 2 * i), `half ${i}`).to.equal(i);
  });

  it('reads integers, as num_batches_tracked', async () => {
    const path = folder.path('a.safetensors');
    const bytes = fileWith({ n: { dtype: 'I64', shape: [], data_offsets: [0, 8] } }, 8);
    bytes.writeBigInt64LE(40000n, bytes.length - 8);
    await writeFile(path, bytes);
    using file = openSafetensors(path);
    expect([...file.read('n')]).to.deep.equal([40000]);
  });

  it('reads a tensor from a file that PyTorch users could have padded and reordered', async () => {
    const path = folder.path('a.safetensors');
    await writeFile(path, fileWith(`${JSON.stringify({ b: f32([1], 4, 8), a: f32([1], 0, 4) })}   \n`, 8));
    using file = openSafetensors(path);
    expect(file.tensors.get('b')?.offset).to.equal((file.tensors.get('a')?.offset as number) + 4);
  });

  const malformed: [what: string, bytes: Buffer, ...texts: string[]][] = [
    ['an empty file', Buffer.alloc(0), 'empty file'],
    ['seven bytes', Buffer.alloc(7), 'received 7'],
    ['random bytes', Buffer.from('9f3a6c2e81d04b7753aa10ff62c8', 'hex'), 'not a safetensors file'],
    [
      'a PyTorch file',
      Buffer.from('PK\x03\x04archive/data.pkl, and so on', 'latin1'),
      'not a safetensors file',
    ],
    ['a header longer than the file', fileWith({}, 0).subarray(0, 9), 'truncated'],
    ['a header that is not JSON', fileWith('{"a": ', 0), 'not valid JSON'],
    ['a header that is a list', fileWith('[]', 0), 'starts with {'],
    ['a header that is not UTF-8', fileWith('{"a\xff": 1}', 0).fill(0xff, 11, 12), 'UTF-8'],
    ['nesting without end', fileWith(`{"a":${'['.repeat(100000)}`, 0), 'not valid JSON'],
    ['deep nesting', fileWith(`{"a":${'['.repeat(100000)}${']'.repeat(100000)}}`, 0), '"a"'],
    ['a number for a tensor', fileWith({ a: 3 }, 0), 'tensor "a"', 'received 3'],
    ['metadata that is no text', fileWith({ __metadata__: { a: 1 } }, 0), '__metadata__.a', 'a string'],
    ['an unknown type', fileWith({ a: { ...f32([1], 0, 4), dtype: 'F31' } }, 4), '"a"', 'received "F31"'],
    [
      'a type named as an inherited property',
      fileWith({ a: { ...f32([1], 0, 4), dtype: 'toString' } }, 4),
      'dtype',
    ],
    ['a negative size', fileWith({ a: f32([-1], 0, 4) }, 4), '"a"', 'a list of sizes'],
    ['a fractional size', fileWith({ a: f32([0.5], 0, 2) }, 2), 'a list of sizes'],
    ['sizes beyond all numbers', fileWith({ a: f32([2 ** 50, 2 ** 50], 0, 4) }, 4), '"a"', 'received 4'],
    ['one offset', fileWith({ a: { ...f32([1], 0, 4), data_offsets: [0] } }, 4), 'data_offsets'],
    [
      'offsets that do not fit the shape',
      fileWith({ a: f32([2], 0, 4) }, 4),
      'expected 8 bytes',
      'received 4',
    ],
    ['offsets in reverse', fileWith({ a: f32([1], 4, 0) }, 4), 'received -4'],
    ['a truncated tensor', fileWith({ a: f32([4], 0, 16) }, 15), '"a"', 'truncated'],
    ['overlapping tensors', fileWith({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), '"b" overlaps'],
    ['a gap', fileWith({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), '"b" leaves a gap'],
    ['bytes behind the last tensor', fileWith({ a: f32([1], 0, 4) }, 5), 'belong to no tensor'],
    [
      'one name twice',
      fileWith(`{"a":${JSON.stringify(f32([1], 0, 4))},"\\u0061":${JSON.stringify(f32([1], 4, 8))}}`, 8),
      'two tensors are called "a"',
    ],
  ];
  for (const [what, bytes, ...texts] of malformed)
    it(`refuses ${what}`, async () => {
      const path = folder.path('bad.safetensors');
      await writeFile(path, bytes);
      await expectOcrnetError(() => openSafetensors(path), 'INVALID_WEIGHTS', 'bad.safetensors', ...texts);
    });

  it('refuses every truncation of a valid file', async () => {
    const path = folder.path('a.safetensors');
    await writeSafetensors(path, inMemory(tensors.slice(0, 1)));
    const bytes = await readFile(path);
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length));
      await expectOcrnetError(() => openSafetensors(path), 'INVALID_WEIGHTS', path);
    }
  });

  it('says that a file is missing or a folder', async () => {
    await expectOcrnetError(() => openSafetensors(folder.path('none')), 'FILE_NOT_FOUND', 'none');
    await expectOcrnetError(() => openSafetensors(folder.root()), 'FILE_UNREADABLE', 'folder');
  });

  it('refuses unknown names, types without a float32 meaning, and reads after close', async () => {
    const path = folder.path('a.safetensors');
    await writeFile(path, fileWith({ a: { dtype: 'BOOL', shape: [1], data_offsets: [0, 1] } }, 1));
    const file = openSafetensors(path);
    await expectOcrnetError(() => file.read('b'), 'INVALID_WEIGHTS', '"b"');
    await expectOcrnetError(() => file.read('a'), 'INVALID_WEIGHTS', 'received BOOL');
    file.close();
    file.close();
    await expectOcrnetError(() => file.read('a'), 'DISPOSED', path);
  });

  it('writes nothing where the tensors make no sense or the folder is missing', async () => {
    const path = folder.path('a.safetensors');
    const [one] = tensors as [NamedTensor];
    const reserved = inMemory([{ ...one, name: '__metadata__' }]);
    await expectOcrnetError(() => writeSafetensors(path, reserved), 'INVALID_ARGUMENT', '__metadata__');
    await expectOcrnetError(
      () => writeSafetensors(path, inMemory([{ ...one, shape: [5] }])),
      'INVALID_ARGUMENT',
      'expected 5 elements',
      'received 6',
    );
    await expectOcrnetError(
      () => writeSafetensors(folder.path('no/a'), inMemory(tensors)),
      'FILE_NOT_WRITTEN',
    );
    expect(await readdir(folder.root())).to.deep.equal([]);
  });
});
