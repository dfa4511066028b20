import sharp from 'sharp';
import type { ClassInfo } from '../image/class-info.js';
import type { RgbImage } from '../image/decode.js';
import { type Html, html } from './html.js';

/** Pictures are shown no larger, so that a page can be sent by mail. */
const mostWidth = 560;

export type Figure = readonly [caption: string | Html, picture: RgbImage];

/** Pictures side by side, each with what it shows. They are encoded as they come, so that few are held at a time. */
export async function pictureGrid(
  figures: AsyncIterable<Figure> | Iterable<Figure>,
  { large = false } = {},
): Promise<Html> {
  const shown: Html[] = [];
  for await (const [caption, picture] of figures) {
    const { width, height } = picture;
    shown.push(html`<figure><img src="${await dataUri(picture)}" alt="" width="${width}" height="${height}" loading="lazy"><figcaption>${caption}</figcaption></figure>
`);
  }
  return html`<div class="pictures${large ? ' large' : ''}">
${shown}</div>
`;
}

export const swatch = ({ colour }: ClassInfo): Html =>
  html`<i class="swatch" style="background: rgb(${colour.join(' ')})"></i>`;

async function dataUri({ data, width, height }: RgbImage): Promise<string> {
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ width: mostWidth, withoutEnlargement: true })
    .jpeg({ quality: 86, chromaSubsampling: '4:4:4' })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
}
