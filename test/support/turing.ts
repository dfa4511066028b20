import { type Device, openDevice } from '../../lib/runtime/device.js';

/** Runs `body` with an emulated GPU of compute capability 7.5 beside the ordinary one. */
export async function withTuring(body: (turing: Device) => Promise<void>): Promise<void> {
  process.env.OCRNET_EMULATED_GPUS = '2';
  process.env.OCRNET_EMULATED_TURING = '1';
  try {
    await using turing = await openDevice({ device: 'cuda', index: 1 });
    await body(turing);
  } finally {
    delete process.env.OCRNET_EMULATED_GPUS;
    delete process.env.OCRNET_EMULATED_TURING;
  }
}
