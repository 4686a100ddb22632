// A program with rollbar.js: node rollbar_script.js TOKEN ENDPOINT CASE...
'use strict';

const fs = require('fs');
const path = require('path');
const Rollbar = require('rollbar');

const [token, endpoint, ...cases] = process.argv.slice(2);
const rollbar = new Rollbar({
  accessToken: token,
  endpoint,
  environment: 'interop',
  codeVersion: '1.2.3',
  captureUncaught: cases.includes('uncaught'),
  captureUnhandledRejections: cases.includes('rejection'),
  retryInterval: Number(process.env.RETRY_INTERVAL_MS) || undefined,
});
const HARD = JSON.parse(fs.readFileSync(path.join(__dirname, 'hard.json'), 'utf8'));

function inner() {
  throw new TypeError('inner fault of Žluťoučký 馬 🧨');
}

function chained() {
  try {
    inner();
  } catch (err) {
    const outer = new RangeError('outer fault');
    outer.nested = err; // how rollbar.js knows chains
    return outer;
  }
}

// How the language knows them.
function caused() {
  try {
    inner();
  } catch (err) {
    const middle = new RangeError('middle fault', { cause: err });
    return new Error('outermost fault', { cause: middle });
  }
}

// Faults that nobody catches but rollbar.js; it says nothing when they are sent.
const uncaught = (event, fail) => new Promise((resolve) => {
  process.once(event, () => resolve());
  setImmediate(fail);
});

const sent = (send) => new Promise((resolve) => send(() => resolve()));

const CASES = {
  error: () => {
    try {
      inner();
    } catch (err) {
      const custom = { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736' };
      return sent((done) => rollbar.error(err, custom, done));
    }
  },
  chain: () => sent((done) => rollbar.critical(chained(), done)),
  message: () => sent((done) => rollbar.warning('a message: 馬 🧨', HARD, done)),
  cause: () => sent((done) => rollbar.error(caused(), done)),
  person: () => {
    const person = { id: '9007199254740993', username: 'žofie', email: 'z@example.org' };
    const own = { fingerprint: 'ours', title: 'A title', context: '/feeds/:name', person };
    rollbar.configure({ payload: own });
    return sent((done) => rollbar.info('of a person', done));
  },
  telemetry: () => {
    rollbar.captureEvent({ message: 'a log: 馬', password: 'hunter2' }, 'debug');
    rollbar.captureEvent({ subtype: 'xhr', url: 'http://a/?token=hunter2', status_code: 200 });
    return sent((done) => rollbar.error(new TypeError('after two events'), done));
  },
  uncaught: () => uncaught('uncaughtException', () => inner()),
  rejection: () => uncaught('unhandledRejection', () => Promise.reject(new RangeError('no one'))),
  // The parent does something in between, and says so by a line.
  pause: () => new Promise((resolve) => {
    console.log('paused');
    process.stdin.once('data', () => { process.stdin.pause(); resolve(); });
    process.stdin.resume();
  }),
  // More than rollbar.js sends: it leaves out by itself what is over 512 KiB.
  large: () => {
    const log = '0123456789 words of a log: '.repeat(40000);
    return sent((done) => rollbar.error('1 MiB of log', { log, n: 7 }, done));
  },
  // More than rollbar.js lets through in a minute: a notice takes the place of the first of them.
  many: async () => {
    for (let i = 0; i < 63; i++) {
      await sent((done) => rollbar.info('number ' + i, done));
    }
  },
};

(async () => {
  for (const name of cases) {
    await CASES[name]();
  }
  rollbar.wait(() => process.exit(0));
})();
