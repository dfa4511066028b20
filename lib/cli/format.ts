/** Numbers as people read them. */
export const formatBytes = (bytes: number): string =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

export const formatMillions = (count: number): string => `${(count / 1e6).toFixed(2)} M`;

export const formatGigaflops = (flops: number): string => `${(flops / 1e9).toFixed(2)}`;

export const formatMs = (ms: number): string =>
  ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;

export const formatShare = (share: number): string => `${(share * 100).toFixed(1)} %`;
