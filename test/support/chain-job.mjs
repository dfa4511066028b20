// Uses the addon in a process or a worker thread of its own: loads a plan and starts runs. Then, by `mode`:
// `await` waits for them, `abandon` ends without waiting, `exit` calls process.exit in the middle of them, `open` only
// opens the device and starts nothing.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {{ mode: string, planFile: string, parameters: { name: string, shape: number[] }[], elements: number }} */
const job = workerData ?? JSON.parse(process.argv[2] ?? '');
const addon = createRequire(import.meta.url)('node-gyp-build')(
  fileURLToPath(new URL('../..', import.meta.url)),
);
const device = addon.openCpu({ threads: 2 });

if (job.mode !== 'open') {
  const weights = device.createWeights();
  for (const { name, shape } of job.parameters)
    weights.set(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1)));
  const program = await device.load(readFileSync(job.planFile), weights);
  const run = () => program.run([new Float32Array(job.elements)], [new Float32Array(job.elements)]);
  const runs = [run(), run(), run()];
  parentPort?.postMessage('running');
  if (job.mode === 'exit') setTimeout(() => process.exit(7), 5);
  if (job.mode === 'abandon') for (const promise of runs) promise.catch(() => {});
  else await Promise.all(runs);
}
