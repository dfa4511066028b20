import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { combineLoggers, type TrainingEvent } from '../../lib/logging/events.js';
import { jsonLinesLogger, readJsonLines } from '../../lib/logging/json-lines.js';
import { expectOcrnetError } from '../support/expect-error.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { evaluationEvent, startEvent, stepEvent, training } from '../support/training-events.js';

describe('the log of a training as JSON lines', () => {
  const folder = temporaryFolder();
  const write = (events: readonly TrainingEvent[], options = {}) => {
    using logger = jsonLinesLogger(folder.path('log.jsonl'), options);
    for (const event of events) logger.log(event);
  };
  const read = () => readJsonLines(folder.path('log.jsonl'));

  it('holds what was logged, a line an event, as soon as it was logged', async () => {
    using logger = jsonLinesLogger(folder.path('log.jsonl'));
    for (const [index, event] of training.entries()) {
      logger.log(event);
      expect(read()).to.deep.equal(training.slice(0, index + 1));
    }
    const text = await readFile(folder.path('log.jsonl'), 'utf8');
    expect(text.split('\n')).to.have.length(training.length + 1);
  });

  it('keeps losses that are no number', () => {
    const events = [Number.NaN, Infinity, -Infinity].map((loss, index) => stepEvent(index + 1, loss));
    write(events);
    expect(read()).to.deep.equal(events);
  });

  it('leaves pictures out', () => {
    const png = new Uint8Array(3);
    write([{ type: 'picture', at: 0, step: 1, name: 'a', png, width: 1, height: 1 }, stepEvent(1)]);
    expect(read()).to.deep.equal([stepEvent(1)]);
  });

  it('does not write over a log', async () => {
    write([startEvent()]);
    await expectOcrnetError(
      () => write([startEvent()]),
      'FILE_NOT_WRITTEN',
      'log.jsonl: it is there already',
    );
    expect(read()).to.have.length(1);
  });

  it('goes on after a line that a crash tore, and takes back steps after the checkpoint', async () => {
    write([startEvent(), stepEvent(1), evaluationEvent(1), stepEvent(2), stepEvent(3)]);
    await appendFile(folder.path('log.jsonl'), '{"type":"step","at":17000');
    expect(read(), 'a reader passes over it').to.have.length(5);
    const resumed = [startEvent(2), stepEvent(3, 0.25), stepEvent(4)];
    write(resumed, { resume: true });
    expect(read()).to.deep.equal([startEvent(), stepEvent(1), evaluationEvent(1), stepEvent(2), ...resumed]);
  });

  it('can be resumed where there is none yet', () => {
    write([startEvent()], { resume: true });
    expect(read()).to.deep.equal([startEvent()]);
  });

  it('names the line that is no event, and a file that is not there', async () => {
    await writeFile(folder.path('log.jsonl'), `${JSON.stringify(startEvent())}\n{"type":"step"}\n`);
    await expectOcrnetError(read, 'FILE_UNREADABLE', 'log.jsonl:2', 'received {"type":"step"}');
    await expectOcrnetError(() => readJsonLines(folder.path('no')), 'FILE_NOT_FOUND');
    await expectOcrnetError(() => jsonLinesLogger(folder.path('no/log.jsonl')), 'FILE_NOT_WRITTEN');
  });

  it('is one of several loggers', async () => {
    const heard: TrainingEvent[] = [];
    const other = { log: (event: TrainingEvent) => void heard.push(event), [Symbol.dispose]: () => {} };
    const logger = jsonLinesLogger(folder.path('log.jsonl'));
    const both = combineLoggers([other, logger]);
    both.log(startEvent());
    expect(heard).to.deep.equal(read());
    both[Symbol.dispose]();
    await expectOcrnetError(() => logger.log(startEvent()), 'DISPOSED');
  });
});
