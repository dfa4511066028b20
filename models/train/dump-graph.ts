// Writes a network as JSON for train.py, once for each input size, and its starting weights.
// Usage: tsx models/train/dump-graph.ts CONFIG.json OUT_FOLDER HEIGHTxWIDTH...
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeGraph } from '../../bench/describe-graph.js';
import { writeSafetensors } from '../../lib/checkpoint/safetensors.js';
import { checkpointTensors } from '../../lib/checkpoint/weights.js';
import { buildSegmenter, parseSegmenterConfig } from '../../lib/models/segmenter.js';
import { initialiser } from '../../lib/nn/initialise.js';

const [configFile, folder, ...sizes] = process.argv.slice(2) as [string, string, ...string[]];
const config = parseSegmenterConfig(JSON.parse(readFileSync(configFile, 'utf8')));
const outputs = ['logits', 'regionLogits'] as const;

mkdirSync(folder, { recursive: true });
for (const size of sizes) {
  const [height, width] = size.split('x').map(Number) as [number, number];
  const graph = buildSegmenter(config, { batch: 1, height, width, outputs });
  writeFileSync(join(folder, `graph-${size}.json`), JSON.stringify({ config, ...describeGraph(graph) }));
  if (size === sizes[0])
    void writeSafetensors(join(folder, 'initial.safetensors'), checkpointTensors(graph, initialiser(1)));
}
