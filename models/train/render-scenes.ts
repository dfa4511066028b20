// Renders street scenes with CamVid's classes as more training pictures. Usage: tsx models/train/render-scenes.ts FOLDER COUNT
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { renderScene } from '../../lib/image/render-scene.js';
import { camvidClassOf } from './scene-classes.js';

const [folder, count] = process.argv.slice(2) as [string, string];
for (const kind of ['images', 'labels']) mkdirSync(join(folder, kind, 'train'), { recursive: true });
const size = { width: 480, height: 360 };
for (let seed = 100; seed < 100 + Number(count); seed++) {
  const { data, labels } = renderScene({ ...size, seed });
  await sharp(data, { raw: { ...size, channels: 3 } })
    .png()
    .toFile(join(folder, 'images/train', `${seed}.png`));
  await sharp(
    labels.map((label) => camvidClassOf[label] ?? 255),
    { raw: { ...size, channels: 1 } },
  )
    .toColourspace('b-w')
    .png()
    .toFile(join(folder, 'labels/train', `${seed}.png`));
}
