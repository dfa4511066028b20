import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { generatedFiles } from '../../scripts/generate-schema.js';

describe('the generated C++ schema', () => {
  for (const [file, generate] of Object.entries(generatedFiles))
    it(`${file} is what npm run generate writes`, () => {
      expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).to.equal(generate());
    });
});
