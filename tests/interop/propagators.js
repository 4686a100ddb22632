// propagators.js - what the propagators of npm read of headers: a request a line,
// {"name": ["value", ..]}, and so the answers: {"PEER": what it read or null}.

"use strict";
const readline = require("readline");
const api = require("@opentelemetry/api");
const core = require("@opentelemetry/core");
const b3 = require("@opentelemetry/propagator-b3");
const { AWSXRayPropagator } = require("@opentelemetry/propagator-aws-xray");
const { utils } = require("aws-xray-sdk-core");
const beeline = require("honeycomb-beeline/lib/propagation");

const getter = {
  keys: (carrier) => Object.keys(carrier),
  get: (carrier, name) => carrier[name.toLowerCase()],
};

function span(propagator, headers) {
  const context = propagator.extract(api.ROOT_CONTEXT, headers, getter);
  const found = api.trace.getSpanContext(context);
  if (!found) return null;
  const sent = {};
  propagator.inject(context, sent, api.defaultTextMapSetter);
  return {
    trace_id: found.traceId,
    span_id: found.spanId,
    flags: found.traceFlags,
    state: found.traceState ? found.traceState.serialize() : "",
    sent,
  };
}

function baggage(headers) {
  const context = new core.W3CBaggagePropagator().extract(api.ROOT_CONTEXT, headers, getter);
  const found = api.propagation.getBaggage(context);
  return found ? found.getAllEntries().map(([key, entry]) => [key, entry.value]) : [];
}

function honeycomb(headers) {
  const value = headers["x-honeycomb-trace"];
  return (value && beeline.honeycomb.unmarshalTraceContext(value[0])) || null;
}

function read(headers) {
  const answer = { baggage: baggage(headers) };
  if (headers.traceparent) answer.w3c = span(new core.W3CTraceContextPropagator(), headers);
  if (headers.b3) answer.b3 = span(new b3.B3Propagator(), headers);
  if (headers["x-b3-traceid"]) {
    const injectEncoding = b3.B3InjectEncoding.MULTI_HEADER;
    answer.b3multi = span(new b3.B3Propagator({ injectEncoding }), headers);
  }
  if (headers["x-amzn-trace-id"]) {
    answer.xray = span(new AWSXRayPropagator(), headers);
    answer.sdk = utils.processTraceData(headers["x-amzn-trace-id"][0]);
  }
  answer.honeycomb = honeycomb(headers);
  return answer;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(read(JSON.parse(line))) + "\n");
});
