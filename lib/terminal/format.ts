/** Numbers as people read them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

export const formatMillions = (count: number): string => `${(count / 1e6).toFixed(2)} M`;

export const formatGigaflops = (flops: number): string => `${(flops / 1e9).toFixed(2)}`;

/** In about three digits: `9.5 ms`, `250 ms`, `1.25 s`, `25.0 s`, `250 s`. */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : ms < 100_000 ? 1 : 0)} s`;
}

export const formatShare = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Hours and minutes, or minutes and seconds: `2 h 05 min`, `4 min 09 s`, `12 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
}
