import { OcrnetError } from '../errors.js';
import { type Device, type DeviceName, openDevice } from '../runtime/device.js';
import type { Terminal } from '../terminal/terminal.js';

/** A network can be summed up without the addon, save for what its algorithms need besides. */
export async function openUnlessMissing(device: DeviceName, terminal: Terminal): Promise<Device | undefined> {
  try {
    return await openDevice({ device });
  } catch (error) {
    if (device !== 'auto' || !(error instanceof OcrnetError) || error.code !== 'DEVICE_UNAVAILABLE')
      throw error;
    terminal.note(
      'ocrnet: warning: no device, so that arenaBytes lacks scratch memory and steps have no algorithms (see ocrnet doctor)',
    );
    return undefined;
  }
}
