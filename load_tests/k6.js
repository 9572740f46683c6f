// k6 sends the workload: the same requests, mix, pace and budgets as locustfile.py, all out of workload.json.
//
//     k6 run load_tests/k6.js
//     LOAD_HOST=http://127.0.0.1:8000 LOAD_USERS=20 LOAD_SECONDS=60 LOAD_MAX_P99_MILLISECONDS=100 k6 run load_tests/k6.js
//
// Prints a summary; exits with 99 when a budget (a threshold, says k6) is crossed.
import exec from 'k6/execution';
import http from 'k6/http';
import { sleep } from 'k6';
import { Rate, Trend } from 'k6/metrics';

const workload = JSON.parse(open('./workload.json'));
const kinds = Object.fromEntries(workload.kinds.map((kind) => [kind.name, kind]));

const host = __ENV.LOAD_HOST || 'http://127.0.0.1:8000';
const users = number('LOAD_USERS', workload.users, 1);
const seconds = number('LOAD_SECONDS', workload.seconds, 1);
const pace = number('LOAD_VISITS_PER_SECOND', workload.visits_per_second);
const visitsPerUser = number('LOAD_VISITS_PER_USER', 0);
const errorRatio = number('LOAD_MAX_ERROR_RATIO', workload.budgets.error_ratio, 0, 1);
const p99Milliseconds = number('LOAD_MAX_P99_MILLISECONDS', workload.budgets.p99_milliseconds);

function number(variable, otherwise, least = 0, most = Infinity) {
  const text = __ENV[variable];
  const value = text ? Number(text) : otherwise;
  if (!(value >= least && value <= most)) throw new Error(`${variable}=${text}: expected a number from ${least} to ${most}`);
  return value;
}

const wrong = new Rate('wrong_answers');
const latency = new Trend('latency', true); // as Locust counts it, with the time to connect
http.setResponseCallback(null); // what is an error is said by the workload, not by the status alone

export const options = {
  scenarios: scenarios(),
  thresholds: {
    wrong_answers: [`rate<=${errorRatio}`],
    latency: [`p(99)<=${p99Milliseconds}`],
    http_reqs: ['count>0'], // nothing measured is never within budget
  },
  summaryTrendStats: [50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99].map((p) => `p(${p})`).concat('avg', 'min', 'max'),
  batch: 1,
  noCookiesReset: true,
};

function scenarios() {
  const share = shares();
  const found = {};
  for (const kind of workload.kinds.filter((one) => share[one.name])) {
    const way = visitsPerUser
      ? { executor: 'per-vu-iterations', iterations: visitsPerUser, maxDuration: `${seconds}s` }
      : { executor: 'constant-vus', duration: `${seconds}s` };
    found[kind.name] = { ...way, vus: share[kind.name], gracefulStop: `${workload.timeout_seconds}s` };
  }
  return found;
}

// Users of each kind by its weight; one who is left over goes where most is missing.
function shares() {
  const total = workload.kinds.reduce((sum, kind) => sum + kind.weight, 0);
  const found = Object.fromEntries(workload.kinds.map((kind) => [kind.name, Math.floor((users * kind.weight) / total)]));
  const missing = (kind) => (users * kind.weight) / total - found[kind.name];
  for (let left = users - Object.values(found).reduce((a, b) => a + b, 0); left > 0; left -= 1) {
    found[workload.kinds.reduce((most, kind) => (missing(kind) > missing(most) ? kind : most)).name] += 1;
  }
  return found;
}

let due = Date.now();

// One visit of a user, when it is due; what comes after a wrong answer is left out.
export default function () {
  if (pace) {
    due += (-1000 * Math.log(1 - Math.random())) / pace;
    sleep(Math.max(0, due - Date.now()) / 1000);
  }
  const { visits } = kinds[exec.scenario.name];
  let ids = [];
  for (const step of visits[exec.scenario.iterationInTest % visits.length]) {
    const answer = send(step, ids);
    if (answer === null) return;
    if (workload.requests[step.request].checked === 'prices') ids = JSON.parse(answer).predictions.map((one) => one.id);
  }
}

// The text of the right answer; null after any other.
function send(step, ids) {
  const asked = workload.requests[step.request];
  const params = {
    headers: asked.headers, redirects: 0, tags: { name: step.request }, timeout: `${workload.timeout_seconds}s`,
  };
  const answer = http.request(asked.method, host + asked.path, filled(step.body, ids), params);
  const fault = faultOf(asked, step.expected, answer.status, answer.body || answer.error);
  const { blocked, connecting, tls_handshaking: handshake, duration } = answer.timings;
  latency.add(blocked + connecting + handshake + duration);
  wrong.add(fault !== null);
  if (fault !== null) console.error(`${step.request}: ${fault}`);
  return fault === null ? answer.body : null;
}

function filled(body, ids) {
  const day = body.replaceAll('<today>', new Date().toISOString().slice(0, 10));
  return ids.reduce((text, id, place) => text.replaceAll(`<prediction ${place}>`, id), day);
}

function faultOf(asked, expected, status, text) {
  if (status !== asked.status) return `expected status ${asked.status}, got ${status}: ${text.slice(0, 80)}`;
  let found;
  try {
    found = read[asked.checked](text);
  } catch (error) {
    return `expected ${asked.checked} ${expected}, got what cannot be read: ${text.slice(0, 80)}`;
  }
  return found === expected ? null : `expected ${asked.checked} ${expected}, got ${found}`;
}

const read = {
  prices: (text) => JSON.parse(text).predictions.filter((one) => one.price_dollars > 0).length,
  lines: (text) => text.trimEnd().split('\r\n').slice(1).filter((line) => Number(line.split(',')[1]) > 0).length,
  accepted: (text) => JSON.parse(text).accepted,
  type: (text) => JSON.parse(text).type,
};
