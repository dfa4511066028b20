/** One side of a comparison of training: a network with its optimiser and a fixed batch. */
export interface TrainStep {
  /** Forward, losses of both heads, backward and one step of the optimiser. */
  step(): Promise<TrainStepResult>;
  close(): Promise<void>;
}

export interface TrainStepResult {
  readonly ms: number;
  /** Processor time of all threads, which others on the machine disturb less. */
  readonly cpuMs: number;
  /** Of the batch before this step: what both sides must agree on as long as rounding has not grown. */
  readonly loss: number;
  /** Of the side's process until now, if it has a process of its own. */
  readonly peakResidentBytes?: number;
}
