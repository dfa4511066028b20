import { expect } from 'chai';
import { TrainingProgress } from '../../lib/logging/progress.js';
import { evaluationEvent, startEvent, stepEvent } from '../support/training-events.js';

function listen(everyMs: number) {
  const lines: string[] = [];
  const terminal = {
    print: () => {},
    note: (text: string) => void lines.push(text),
    watched: false,
    colours: false,
  };
  return { lines, progress: new TrainingProgress(terminal, { everyMs }) };
}

describe('the progress of a training, where nobody watches', () => {
  it('is a line now and then: loss, mIoU, speed, time left and waiting', () => {
    const { lines, progress } = listen(10_000);
    progress.log(startEvent());
    progress.log(stepEvent(1, 0.5));
    progress.log(evaluationEvent(1));
    for (let step = 2; step <= 30; step++) progress.log(stepEvent(step, 0.5));
    expect(lines).to.deep.equal([
      'training ocrnet-hrnet-w18-small on CamVid, 100 steps',
      'step 1/100  loss 0.5000, 8.0 pictures/s, 50 s left, waits for data 10 %',
      'step 1: mIoU 50.0 %, pixel accuracy 75.0 %',
      'step 21/100  loss 0.5000, mIoU 50.0 %, 8.0 pictures/s, 40 s left, waits for data 10 %',
    ]);
  });

  it('says where a resumed training stands, what is saved, and how it ended', () => {
    const { lines, progress } = listen(0);
    progress.log(startEvent(40));
    progress.log({ type: 'checkpoint', at: 0, step: 50, path: 'last.safetensors', best: false });
    progress.log({ type: 'checkpoint', at: 0, step: 50, path: 'best.safetensors', best: true });
    progress.log({ type: 'note', at: 0, step: 51, message: 'the loss is no number' });
    const { at } = startEvent(40);
    progress.log({ type: 'end', at: at + 3_725_000, step: 51, reason: 'failed', message: 'disk full' });
    expect(lines).to.deep.equal([
      'training ocrnet-hrnet-w18-small on CamVid, 100 steps (resumed at 40)',
      'step 50: saved last.safetensors',
      'step 50: saved best.safetensors, the best so far',
      'step 51: the loss is no number',
      'failed at step 51 after 1 h 02 min: disk full',
    ]);
  });

  it('averages, so that one slow step or one bad loss is not everything', () => {
    const { lines, progress } = listen(0);
    progress.log(startEvent());
    progress.log(stepEvent(1, 1));
    progress.log(stepEvent(2, 2));
    progress.log(stepEvent(3, Number.NaN));
    progress.log(stepEvent(4, 3));
    const losses = lines.slice(1).map((line) => /loss (\S+),/.exec(line)?.[1]);
    expect(losses, 'no number is shown once').to.deep.equal(['1.0000', '1.1000', 'NaN', '3.0000']);
  });
});
