const { OCRNET_GPU_ONLY: pattern } = process.env;
const wanted = pattern ? new RegExp(pattern) : undefined;

/** Whether the environment asks for what has this name; by default for everything. */
export const isWanted = (name: string): boolean => wanted?.test(name) ?? true;
