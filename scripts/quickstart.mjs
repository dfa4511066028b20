// `npm run quickstart [-- picture.jpg]`: sets the checkout up, then segments a picture.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, runMain } from './setup/run.mjs';
import { setup } from './setup.mjs';

runMain(async () => {
  await setup();
  const { quickstart } = await import(pathToFileURL(join(root, 'dist/quickstart.js')).href);
  await quickstart(process.argv.slice(2));
});
