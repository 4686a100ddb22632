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
  captureUncaught: false,
  captureUnhandledRejections: false,
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
