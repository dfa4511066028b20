import { join } from 'node:path';
import { root } from '../setup/run.mjs';

/** Where prebuildify works. */
export const prebuildFolder = join(root, 'build-prebuild');

/** The build folder of CMake, where prebuildify looks for Release/. */
export const buildFolder = join(prebuildFolder, 'build');

/** What prebuildify copies beside the addon as it is. */
export const artifactsFolder = join(prebuildFolder, 'artifacts');
