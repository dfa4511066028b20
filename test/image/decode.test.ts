import { mkdir, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import sharp from 'sharp';
import { decodeImage, type ImageInput, type RgbImage } from '../../lib/image/decode.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** 3 × 2 pixels, every one different. */
const small = {
  data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 200, 100, 50, 255, 255, 255),
  width: 3,
  height: 2,
  channels: 3,
} as const;
const { width, height, channels } = small;
const source = () => sharp(small.data, { raw: { width, height, channels } });
const noisy = (size: number, bands: 1 | 3 = 3) =>
  sharp(
    Uint8Array.from({ length: size * size * bands }, (_, i) => (i * 7919) % 251),
    { raw: { width: size, height: size, channels: bands } },
  );

function pngChunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
  bytes.writeUInt32BE(data.length);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
  return bytes;
}

const bytes = ({ data }: RgbImage): number[] => [...data];

describe('decodeImage', () => {
  const folder = temporaryFolder();

  it('takes a path, a Buffer, a Uint8Array, a sharp instance and raw pixels', async () => {
    const png = await source().png().toBuffer();
    const path = folder.path('a.png');
    await writeFile(path, png);
    for (const input of [path, png, new Uint8Array(png), sharp(png), sharp(path), small] as ImageInput[]) {
      const image = await decodeImage(input);
      expect(bytes(image)).to.deep.equal([...small.data]);
      expect([image.width, image.height]).to.deep.equal([3, 2]);
    }
  });

  it('leaves a given sharp instance usable, after what it was told to do', async () => {
    const instance = source().extract({ left: 1, top: 0, width: 2, height: 2 });
    const first = await decodeImage(instance);
    expect(first.width).to.equal(2);
    expect(bytes(first).slice(0, 3)).to.deep.equal([0, 255, 0]);
    expect(bytes(await decodeImage(instance))).to.deep.equal(bytes(first));
  });

  it('turns a picture upright as EXIF says', async () => {
    const turned = await source().withMetadata({ orientation: 6 }).png().toBuffer();
    const image = await decodeImage(turned);
    expect([image.width, image.height]).to.deep.equal([2, 3]);
    // Turned clockwise: the lower left corner comes to the upper left.
    expect(bytes(image).slice(0, 6)).to.deep.equal([10, 20, 30, 255, 0, 0]);
  });

  it('spreads gray', async () => {
    const gray = Uint8Array.of(0, 128, 255, 7);
    const png = await sharp(gray, { raw: { width: 4, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const expected = [...gray].flatMap((value) => [value, value, value]);
    expect(bytes(await decodeImage(png))).to.deep.equal(expected);
    expect(bytes(await decodeImage({ data: gray, width: 4, height: 1, channels: 1 }))).to.deep.equal(
      expected,
    );
  });

  it('lays transparent parts over black, alike for files and raw pixels', async () => {
    const data = Uint8Array.of(200, 100, 50, 255, 200, 100, 50, 128, 200, 100, 50, 0);
    const raw = { data, width: 3, height: 1, channels: 4 } as const;
    const png = await sharp(data, { raw }).png().toBuffer();
    for (const input of [raw, png]) {
      const result = bytes(await decodeImage(input));
      expect(result.slice(0, 3)).to.deep.equal([200, 100, 50]);
      for (const [i, value] of [100, 50, 25].entries()) expect(result[3 + i]).to.be.closeTo(value, 1);
      expect(result.slice(6)).to.deep.equal([0, 0, 0]);
    }
    const grayAlpha = { data: Uint8Array.of(200, 255, 200, 0), width: 2, height: 1, channels: 2 } as const;
    expect(bytes(await decodeImage(grayAlpha))).to.deep.equal([200, 200, 200, 0, 0, 0]);
  });

  it('converts CMYK', async () => {
    const cmyk = await sharp({
      create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 30, b: 40 } },
    })
      .toColourspace('cmyk')
      .jpeg({ quality: 95 })
      .toBuffer();
    expect((await sharp(cmyk).metadata()).space).to.equal('cmyk');
    const image = await decodeImage(cmyk);
    expect(image.data.length).to.equal(3 * 64);
    for (const [i, value] of [200, 30, 40].entries()) expect(image.data[i]).to.be.closeTo(value, 25);
  });

  it('scales sixteen bits to eight, in colour and gray', async () => {
    const words = Uint16Array.of(65535, 32896, 0, 257, 12850, 51400);
    const color = await sharp(words, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(color).metadata()).depth).to.equal('ushort');
    expect(bytes(await decodeImage(color))).to.deep.equal([255, 128, 0, 1, 50, 200]);
    const gray = await sharp(words, { raw: { width: 6, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer();
    expect((await sharp(gray).metadata()).depth).to.equal('ushort');
    const result = bytes(await decodeImage(gray));
    expect([result[0], result[3], result[6]]).to.deep.equal([255, 128, 0]);
  });

  it('decodes an indexed PNG, WebP, GIF and one pixel', async () => {
    for (const encoded of [
      source().png({ palette: true }),
      source().webp({ lossless: true }),
      source().gif(),
    ]) {
      const image = await decodeImage(await encoded.toBuffer());
      expect([image.width, image.height, image.data.length]).to.deep.equal([3, 2, 18]);
    }
    const pixel = await decodeImage(await noisy(1).png().toBuffer());
    expect([pixel.width, pixel.height, pixel.data.length]).to.deep.equal([1, 1, 3]);
  });

  it('refuses what is no picture', async () => {
    const text = folder.path('notes.txt');
    await writeFile(text, 'no picture here\n'.repeat(100));
    await writeFile(folder.path('empty.jpg'), '');
    await mkdir(folder.path('folder'));
    await expectOcrnetError(
      () => decodeImage(text),
      'UNSUPPORTED_IMAGE',
      'notes.txt',
      'unsupported image format',
    );
    await expectOcrnetError(() => decodeImage(Buffer.from('no picture')), 'UNSUPPORTED_IMAGE');
    await expectOcrnetError(
      () => decodeImage(folder.path('empty.jpg')),
      'UNSUPPORTED_IMAGE',
      'an empty file',
    );
    await expectOcrnetError(() => decodeImage(new Uint8Array(0)), 'UNSUPPORTED_IMAGE', 'an empty buffer');
    await expectOcrnetError(() => decodeImage(sharp(Buffer.from('text'))), 'UNSUPPORTED_IMAGE');
    await expectOcrnetError(() => decodeImage(folder.path('none.jpg')), 'FILE_NOT_FOUND', 'none.jpg');
    await expectOcrnetError(() => decodeImage(folder.path('folder')), 'FILE_UNREADABLE', 'folder');
  });

  it('refuses pictures that are cut short, wherever the cut is', async () => {
    for (const whole of [await noisy(200).jpeg().toBuffer(), await noisy(200).png().toBuffer()])
      for (const share of [0.02, 0.3, 0.9]) {
        const path = folder.path('cut');
        await writeFile(path, whole.subarray(0, Math.floor(whole.length * share)));
        await expectOcrnetError(() => decodeImage(path), 'UNSUPPORTED_IMAGE', path);
      }
  });

  it('refuses pictures with too many pixels without decoding them', async () => {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(20000, 0);
    header.writeUInt32BE(20000, 4);
    header.set([8, 2, 0, 0, 0], 8);
    const png = Buffer.concat([
      Buffer.from('89504e470d0a1a0a', 'hex'),
      pngChunk('IHDR', header),
      pngChunk('IDAT', Buffer.alloc(8)),
      pngChunk('IEND', Buffer.alloc(0)),
    ]);
    await expectOcrnetError(() => decodeImage(png), 'IMAGE_TOO_LARGE', 'at most 100000000', '20000×20000');
    const encoded = await source().png().toBuffer();
    await expectOcrnetError(() => decodeImage(encoded, { maxPixels: 5 }), 'IMAGE_TOO_LARGE', '3×2');
    await expectOcrnetError(() => decodeImage(small, { maxPixels: 5 }), 'IMAGE_TOO_LARGE');
    await expectOcrnetError(() => decodeImage(sharp(encoded), { maxPixels: 5 }), 'IMAGE_TOO_LARGE');
    expect((await decodeImage(encoded, { maxPixels: 6 })).width).to.equal(3);
  });

  it('names the argument that makes no sense', async () => {
    const refuse = (input: unknown, ...texts: string[]) =>
      expectOcrnetError(() => decodeImage(input as ImageInput), 'INVALID_ARGUMENT', ...texts);
    await refuse(undefined, 'picture', 'undefined');
    await refuse(null, 'picture', 'null');
    await refuse(7, 'picture', '7');
    await refuse({}, 'picture');
    await refuse({ ...small, data: [1, 2, 3] }, 'picture');
    await refuse({ ...small, width: 4 }, 'data', '4×2×3');
    await refuse({ ...small, width: 0 }, 'width');
    await refuse({ ...small, height: 1.5 }, 'height');
    await refuse({ ...small, channels: 5 }, 'channels');
    await expectOcrnetError(() => decodeImage(small, { maxPixels: 0 }), 'INVALID_ARGUMENT', 'maxPixels');
  });
});
