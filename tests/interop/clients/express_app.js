// An express app whose requests fail: node express_app.js TOKEN ENDPOINT. Prints its port.
'use strict';

const express = require('express');
const Rollbar = require('rollbar');

const [token, endpoint] = process.argv.slice(2);
const rollbar = new Rollbar({
  accessToken: token,
  endpoint,
  environment: 'interop',
  captureUncaught: false,
  captureEmail: true,
  captureUsername: true,
});
const app = express();

app.use(express.json());
app.use((req, res, next) => {
  const name = req.get('X-User');
  if (name) {
    req.rollbar_person = { id: '9007199254740993', username: name, email: name + '@example.org' };
  }
  next();
});

// Handled here, and reported with its request.
app.all('/handled/:name', (req, res) => {
  rollbar.error(new RangeError('no feed of ' + req.params.name), req);
  res.status(500).send('handled');
});

// Left to rollbar's error handler.
app.all('/feeds/:name', (req) => {
  throw new TypeError('no feed of ' + req.params.name);
});

app.use(rollbar.errorHandler());
app.use((err, req, res, next) => {
  res.status(500).send('failed');
});

const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
