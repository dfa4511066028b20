import { expect } from 'chai';
import { LineProcess } from '../../bench/line-process.js';
import { expectOcrnetError } from '../support/expect-error.js';

/** Runs JavaScript in a process of its own. */
const run = (script: string) => new LineProcess('the other', process.execPath, ['-e', script]);

const echo = `
  console.log(JSON.stringify({ ready: true }));
  require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'end') { console.error('it had enough'); process.exit(1); }
    if (line !== 'sleep') console.log(JSON.stringify({ line }));
  });
`;

describe('a process that answers lines', () => {
  it('says what it is, answers in turn, and ends with its input', async () => {
    const other = run(echo);
    expect(await other.answer()).to.deep.equal({ ready: true });
    expect(await other.ask('one')).to.deep.equal({ line: 'one' });
    expect(await other.ask('two', 10_000)).to.deep.equal({ line: 'two' });
    await other.close();
    await other.close();
  });

  it('says why it ended', async () => {
    const other = run(echo);
    await other.answer();
    await expectOcrnetError(() => other.ask('end'), 'EXECUTION_FAILED', 'the other ended: it had enough');
    await expectOcrnetError(() => other.ask('one'), 'EXECUTION_FAILED', 'it had enough');
    await expectOcrnetError(() => run('').answer(), 'EXECUTION_FAILED', 'without a word');
    const absent = new LineProcess('nobody', '/there/is/no/such/program', []);
    await expectOcrnetError(() => absent.answer(), 'EXECUTION_FAILED', 'nobody ended', 'ENOENT');
    await absent.close();
  });

  it('is killed at the limit', async () => {
    const other = run(echo);
    await other.answer();
    await expectOcrnetError(() => other.ask('sleep', 50), 'ABORTED', 'the other took longer than 0.05 s');
    await other.close();
  });
});
