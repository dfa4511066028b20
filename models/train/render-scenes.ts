// Renders street scenes with CamVid's classes as more training pictures. Usage: tsx models/train/render-scenes.ts FOLDER COUNT
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { renderScene } from '../../lib/image/render-scene.js';

// From Cityscapes' train ids: road, sidewalk, building, wall, fence, pole, light, sign, vegetation, terrain, sky, person,
// rider, car and further vehicles.
const camvidOf = [3, 4, 1, 7, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 8, 10];

const [folder, count] = process.argv.slice(2) as [string, string];
for (const kind of ['images', 'labels']) mkdirSync(join(folder, kind, 'train'), { recursive: true });
const size = { width: 480, height: 360 };
for (let seed = 100; seed < 100 + Number(count); seed++) {
  const { data, labels } = renderScene({ ...size, seed });
  await sharp(data, { raw: { ...size, channels: 3 } })
    .png()
    .toFile(join(folder, 'images/train', `${seed}.png`));
  await sharp(
    labels.map((label) => camvidOf[label] ?? 255),
    { raw: { ...size, channels: 1 } },
  )
    .toColourspace('b-w')
    .png()
    .toFile(join(folder, 'labels/train', `${seed}.png`));
}
