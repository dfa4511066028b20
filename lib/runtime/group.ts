import { type NativeGroup, native, withOcrnetErrors } from './native.js';

/** A place in a group, for the plans of one device. */
export interface GroupMember {
  readonly group: DeviceGroup;
  /** From 0. */
  readonly index: number;
}

/**
 * Devices of this process that compute together: each runs the same plan on its part of the batch, at the same time, and steps
 * that need all parts wait for each other. Every member has one device, and is given to `load` for all plans that it runs.
 *
 * Who runs alone waits, until its signal aborts. A run that is aborted or fails, or a member whose device or last plan is
 * disposed, breaks the group: the others' runs reject with ABORTED, and so do those to come until `renew`.
 */
export class DeviceGroup {
  readonly size: number;
  readonly handle: NativeGroup;

  /** @throws OcrnetError INVALID_ARGUMENT for other sizes than 1 to 64 */
  constructor(size: number) {
    this.handle = withOcrnetErrors(() => native().createGroup(size));
    this.size = size;
  }

  member(index: number): GroupMember {
    return { group: this, index };
  }

  /**
   * Lets a broken group meet again. All runs of its members must have settled.
   *
   * @throws OcrnetError INVALID_ARGUMENT where a member waits
   */
  renew(): void {
    withOcrnetErrors(() => this.handle.renew());
  }
}
