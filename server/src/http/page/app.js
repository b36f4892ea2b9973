// The status page: looks every few seconds, shows what changed, and asks the node for what its reader clicks.
// The address holds what is shown, so that reloading, going back and sending a link all work.

import { age, badge, bytes, el, exact, isAhead, moment, number, setNow, show, span, time, when } from './show.js';
import { t, translate } from './words.js';

const EVERY = 5000;
const PAGE = 50;
const STATES = ['receiving', 'complete', 'queued', 'leased', 'done', 'failed', 'dead', 'cancelled', 'ignored'];
const LANES = ['emergency', 'normal', 'bulk'];
const WITHIN = { hour: 3600, day: 86400, week: 7 * 86400 };

const $ = (id) => document.getElementById(id);
const filter = $('filter');
let lastGood = null;
let round = 0;

// ---- what the address says

function place() {
  const [path, query] = location.hash.replace(/^#/, '').split('?');
  const study = path.match(/^\/study\/([0-9.]+)$/)?.[1];
  return { study, quarantine: path === '/quarantine', query: new URLSearchParams(query) };
}

function filterAddress(changes) {
  const query = place().query;
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return `#/${text ? `?${text}` : ''}`;
}

// ---- asking the node

class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { headers: { accept: 'application/json' }, ...options });
  if (answer.status === 401) {
    location.assign(`/login#/${location.hash}`);
    return new Promise(() => {}); // The page goes away.
  }
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    throw new Refusal(answer.status, `${answer.status}`);
  }
  if (!answer.ok) throw new Refusal(answer.status, body?.detail ?? `${answer.status}`);
  return body;
}

async function look() {
  const mine = ++round;
  const { study, quarantine, query } = place();
  try {
    const [status, what] = await Promise.all([ask('/api/status'), askFor(study, quarantine, query)]);
    if (mine !== round) return; // Somebody has gone elsewhere in the meantime.
    lastGood = Date.now();
    setNow(status.now);
    showHead(status);
    $('overview').hidden = Boolean(study || quarantine);
    $('detail').hidden = !(study || quarantine);
    if (study) showStudy(study, what);
    else if (quarantine) showQuarantine(what);
    else showOverview(status, what, query);
    show($('fresh'), t('updated', time(Date.now())));
  } catch (error) {
    if (mine === round) showSilence(error);
  }
}

function askFor(study, quarantine, query) {
  if (study) {
    return ask(`/api/studies/${study}`).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    });
  }
  if (quarantine) return ask('/api/quarantine?limit=500');
  const wanted = new URLSearchParams({ limit: PAGE, offset: offset(query) });
  for (const name of ['state', 'lane', 'uid']) {
    const value = query.get(name);
    if (value) wanted.set(name, value);
  }
  const within = WITHIN[query.get('within')];
  if (within) wanted.set('since', new Date(Date.now() - within * 1000).toISOString());
  return ask(`/api/studies?${wanted}`);
}

const offset = (query) => Math.max(0, Math.floor(Number(query.get('page') ?? 1)) - 1 || 0) * PAGE;

// ---- the head

function showHead(status) {
  const addresses = [status.dicom, status.dicom_tls && `${status.dicom_tls} TLS`].filter(Boolean).join(', ');
  show($('node'), [status.ae_title, addresses].filter(Boolean).join(' · '), ` · ${status.version} · ${t('up', span(status.uptime_s))}`);
  const good = status.problems.length === 0;
  show($('health'), el('span', { class: `badge ${good ? 'ok' : 'off'}` }, t(good ? 'ready' : 'notReady')));
  show($('troubles'), ...status.problems.map((problem) => el('p', {}, problem)));
  $('logout').hidden = !status.needs_token;
  document.title = `${good ? '' : '⚠ '}Foci ${status.ae_title}`;
}

function showSilence(error) {
  show($('health'), el('span', { class: 'badge off' }, t('noAnswer')));
  const silent = lastGood ? t('silentSince', time(lastGood)) : t('silent');
  show($('troubles'), el('p', {}, error instanceof Refusal ? error.message : silent));
}

function tiles(status) {
  const sum = (name) => status.lanes.reduce((all, lane) => all + lane[name], 0);
  const heads = ['', t('waiting'), t('running')].map((head) => el('span', { class: 'zero' }, head));
  const lanes = status.lanes.flatMap((lane) => {
    const zero = lane.queued + lane.running === 0 ? 'zero' : null;
    return [t(lane.lane), number(lane.queued), number(lane.running)].map((text) => el('span', { class: zero }, text));
  });
  const oldest = Math.max(...status.lanes.map((lane) => lane.oldest_s ?? -1));
  const failed = status.jobs.failed ?? 0;
  const dead = status.jobs.dead ?? 0;
  const disk = status.disk;
  const troubled = status.peers.filter((peer) => peer.trouble).map((peer) => peer.name).join(', ');
  return [
    tile('queue', number(sum('queued')), t('waiting'), { kind: 'wide' }, [
      el('div', { class: 'lanes' }, heads, lanes),
      el('p', {}, [oldest >= 0 && t('oldest', span(oldest)), status.receiving > 0 && t('receivingNow', number(status.receiving))].filter(Boolean).join(' · ')),
    ]),
    tile('deliveries', number(status.deliveries_waiting), t('waiting'), { kind: status.deliveries_failed || status.alerts_failed ? 'bad' : troubled ? 'warn' : null }, [
      troubled && el('p', { class: 'warn' }, t('inTrouble', troubled)),
      status.deliveries_failed > 0 && el('p', { class: 'bad' }, t('givenUp', number(status.deliveries_failed))),
      status.alerts_waiting > 0 && el('p', {}, t('alertsWaiting', number(status.alerts_waiting))),
      status.alerts_failed > 0 && el('p', { class: 'bad' }, t('alertsFailed', number(status.alerts_failed))),
      status.deliveries_waiting + status.deliveries_failed + status.alerts_waiting + status.alerts_failed === 0 && el('p', {}, t('nothingWaits')),
    ]),
    tile('troubled', number(failed + dead), t('studies').toLowerCase(), { kind: failed + dead ? 'bad' : null, href: failed || !dead ? '#/?state=failed' : '#/?state=dead' }, [
      el('p', {}, t('deadToo', number(failed), number(dead))),
    ]),
    disk &&
      tile('disk', bytes(disk.free_bytes), t('freeOf', bytes(disk.total_bytes)), { kind: disk.free_bytes < disk.minimum_free_bytes ? 'bad' : null }, [
        el('meter', {
          min: 0, max: disk.total_bytes, value: disk.total_bytes - disk.free_bytes, optimum: 0,
          low: Math.max(disk.total_bytes - 4 * disk.minimum_free_bytes, 0), high: Math.max(disk.total_bytes - disk.minimum_free_bytes, 0), 'aria-label': t('disk'),
        }),
        el('p', {}, t('needs', bytes(disk.minimum_free_bytes))),
      ]),
    tile('quarantine', number(status.quarantine), t('objects'), { kind: status.quarantine ? 'warn' : null, href: '#/quarantine' }, [
      el('p', {}, t('quarantineWhy')),
    ]),
  ];
}

function tile(name, big, small, { kind, href }, more) {
  const inside = [el('h2', {}, t(name)), el('div', { class: 'big' }, big, ' ', el('small', {}, small)), ...more];
  return el(href ? 'a' : 'div', { class: `tile ${kind ?? ''}`, href, 'data-key': name }, inside);
}

// ---- the list of studies

function showOverview(status, { total, studies }, query) {
  show($('tiles'), ...tiles(status).filter(Boolean));
  const isFiltered = ['state', 'lane', 'uid', 'within'].some((name) => query.get(name));
  if (total === 0) {
    const address = status.dicom_tls ?? status.dicom;
    const to = `${status.ae_title}${address ? ` @ ${address}` : ''}`;
    show($('studies'), el('div', { class: 'empty' },
      el('p', {}, el('b', {}, t(isFiltered ? 'noMatch' : 'noStudies'))),
      isFiltered ? el('p', {}, el('a', { href: '#/' }, t('clear'))) : el('p', { class: 'quiet' }, t('howToSend', to))));
  } else {
    show($('studies'), table(['state', 'study', 'lane', 'images', 'lastImage', 'result', 'delivery', ''], studies.map(row), 'studies'));
  }
  const from = offset(query);
  const page = from / PAGE + 1;
  const last = Math.min(from + PAGE, total);
  show($('pages'), ...(total > PAGE || page > 1 ? [
    page > 1 && el('a', { class: 'button', href: filterAddress({ page: page > 2 ? page - 1 : null }) }, `‹ ${t('newer')}`),
    el('span', {}, t('page', number(Math.min(from + 1, last)), number(last), number(total))),
    last < total && el('a', { class: 'button', href: filterAddress({ page: page + 1 }) }, `${t('older')} ›`),
  ] : []).filter(Boolean));
  show($('peers'), ...peers(status.peers));
}

function row(study) {
  const revision = study.revision > 1 ? el('small', {}, `${t('revision')} ${study.revision}`) : null;
  return el('tr', { 'data-key': study.study_uid },
    el('td', {}, badge(study.state)),
    el('td', { class: 'uid' }, el('a', { class: 'mono', href: `#/study/${study.study_uid}` }, study.study_uid)),
    el('td', { 'data-name': t('lane') }, study.lane === 'emergency' ? el('span', { class: 'badge plain emergency' }, t('emergency')) : t(study.lane)),
    el('td', { class: 'num', 'data-name': t('images') }, el('span', { class: 'lines' }, el('span', {}, images(study)), revision)),
    el('td', { class: 'num', 'data-name': t('lastImage') }, moment(study.last_at)),
    el('td', { class: 'result' }, result(study)),
    badgeCell(Object.entries(study.deliveries)),
    el('td', { class: 'acts' }, ...actions(study.job, study)));
}

// How many images came, and of how many if that is known.
const images = (study) => (study.expected ? t('ofExpected', number(study.instances), number(study.expected)) : number(study.instances));

// A cell with how many there are in each state.
const badgeCell = (counts) => el('td', { class: counts.length ? 'wide' : 'void' },
  el('span', { class: 'badges' }, counts.map(([state, count]) => el('span', { class: `badge ${state}` }, `${number(count)} ${t(state)}`))));

// What came of it, or why nothing did, in a line or two.
function result(study) {
  const job = study.job;
  const lines = [];
  const line = (text, kind) => text && lines.push(el('span', { class: kind }, text));
  switch (study.state) {
    case 'done':
      lines.push(findings(job.summary));
      break;
    case 'failed':
    case 'dead':
      line(job.reason, 'bad');
      break;
    case 'queued':
      if (job.attempts > 0) line(isAhead(job.not_before) ? t('tryNext', job.attempts + 1, when(job.not_before)) : t('tryNow', job.attempts + 1), 'quiet');
      line(job.reason, 'warn');
      break;
    case 'leased':
      line([job.stage ? stage(job.stage) : null, job.started_at ? t('since', span(age(job.started_at))) : null, job.attempts > 1 ? t('tryNow', job.attempts) : null].filter(Boolean).join(' · '), 'quiet');
      break;
    default:
      line(study.note ?? job?.reason, 'quiet');
  }
  return el('span', { class: 'lines' }, lines);
}

const stage = ({ what, done, total }) => (total > 1 ? `${what} ${Math.round((100 * done) / total)} %` : what);

function findings(summary) {
  if (!summary) return el('span', { class: 'quiet' }, t('done'));
  const kinds = Object.entries(summary.findings ?? {}).filter(([, count]) => count > 0);
  if (kinds.length === 0) return el('span', { class: 'quiet' }, t('nothingFound'));
  const words = kinds.map(([kind, count]) => `${number(count)} ${t(count === 1 ? kind : `${kind}s`)}`).join(', ');
  return el('span', {}, words, summary.largest_mm ? el('span', { class: 'quiet' }, `, ${t('upTo', number(summary.largest_mm))}`) : null,
    summary.critical > 0 ? [' ', el('span', { class: 'badge critical' }, t('critical', number(summary.critical)))] : null);
}

function actions(job, study) {
  const act = (what, path, label) => el('button', { type: 'button', 'data-act': what, 'data-path': path, 'aria-label': `${label}: ${study.study_uid}` }, label);
  const all = [];
  if (job && ['failed', 'dead', 'cancelled'].includes(job.state)) all.push(act('retry', `/api/jobs/${job.id}/retry`, t('retry')));
  if (job && ['queued', 'leased'].includes(job.state)) all.push(act('cancel', `/api/jobs/${job.id}/cancel`, t('cancel')));
  if (study.state === 'receiving' && !job) all.push(act('finish', `/api/studies/${study.study_uid}/complete`, t('finish')));
  if (study.state === 'ignored' && !job) all.push(act('plan', `/api/studies/${study.study_uid}/plan`, t('plan')));
  return all;
}

function peers(list) {
  if (list.length === 0) return [];
  const heads = ['name', 'heard', 'lastSent', 'trouble', 'deliveries'];
  return [
    el('h2', {}, t('peers')),
    table(heads, list.map((peer) => el('tr', { 'data-key': peer.name },
      el('td', { class: 'wide' }, el('b', {}, peer.name)),
      el('td', { 'data-name': t('heard') }, moment(peer.heard_at)),
      el('td', { 'data-name': t('lastSent') }, moment(peer.sent_at)),
      el('td', { class: peer.trouble ? 'wide bad' : 'void' }, peer.trouble ?? '', peer.trouble_since ? [' (', moment(peer.trouble_since), ')'] : null),
      badgeCell(Object.entries(peer.deliveries))))),
  ];
}

// ---- one study

function showStudy(uid, study) {
  const back = el('a', { href: '#/' }, `‹ ${t('back')}`);
  if (!study) return show($('detail'), back, el('div', { class: 'empty' }, el('p', {}, t('noStudy')), el('p', { class: 'mono' }, uid)));
  const at = (text) => (text ? el('span', { class: 'lines' }, el('span', {}, exact(text)), el('small', {}, when(text))) : null);
  show($('detail'),
    back,
    el('div', { class: 'title' }, badge(study.state), el('h1', { class: 'mono' }, study.study_uid),
      el('span', { class: 'buttons' },
        el('button', { type: 'button', 'data-copy': study.study_uid }, t('copy')),
        actions(null, study))),
    el('div', { class: 'card' }, el('dl', { class: 'facts' },
      fact('sender', study.sender), fact('lane', t(study.lane)), fact('revision', String(study.revision)),
      fact('images', t('series', images(study), number(study.series), bytes(study.bytes))),
      fact('firstImage', at(study.first_at)), fact('lastImage', at(study.last_at)), fact('completeAt', at(study.complete_at)),
      fact('purged', at(study.images_purged_at)), fact('note', study.note, true))),
    study.jobs.length === 0 && !study.note ? el('p', { class: 'quiet' }, t('noJob')) : [],
    ...study.jobs.map((job) => jobCard(job, study)),
    ...(study.quarantine.length ? [el('h2', {}, t('quarantine')), quarantineTable(study.quarantine, true)] : []),
    ...events(study.events));
}

const fact = (name, value, wide) => (value ? el('div', { class: wide ? 'wide' : null }, el('dt', {}, t(name)), el('dd', {}, value)) : null);

function jobCard(job, study) {
  const files = (...kinds) => job.results.filter((file) => kinds.includes(file.kind));
  const link = (file) => `/api/jobs/${job.id}/files/${encodeURIComponent(file.name)}`;
  const [page] = files('page');
  const pictures = files('picture');
  const took = job.started_at && job.ended_at ? t('took', span((Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000)) : null;
  const failed = ['failed', 'dead'].includes(job.state);
  return el('article', { class: 'card', 'data-key': `job-${job.id}` },
    el('header', {}, el('h2', {}, t('job', job.id)), badge(job.state), job.state === 'done' ? findings(job.summary) : null,
      el('span', { class: 'buttons' }, page ? el('a', { class: 'button strong', href: link(page), target: '_blank', rel: 'noopener' }, t('report')) : null, actions(job, study))),
    job.reason ? el('p', { class: `why ${failed ? '' : 'calm'}` }, job.reason) : null,
    el('dl', { class: 'facts' },
      fact('rule', job.rule), fact('models', job.models), fact('lane', t(job.lane)), fact('revision', String(job.revision)), fact('attempts', String(job.attempts)),
      fact('started', exact(job.started_at)), fact('ended', job.ended_at ? el('span', { class: 'lines' }, el('span', {}, exact(job.ended_at)), el('small', {}, took)) : null)),
    job.summary?.warnings?.length ? [el('h3', {}, t('warnings')), el('ul', {}, job.summary.warnings.map((warning) => el('li', {}, warning)))] : null,
    pictures.length ? el('div', { class: 'pictures' }, pictures.map((picture) => el('a', { href: link(picture), target: '_blank', rel: 'noopener', 'data-key': picture.name }, el('img', { src: link(picture), alt: picture.name, loading: 'lazy' })))) : null,
    job.results.length ? el('ul', { class: 'files' }, job.results.map((file) => el('li', {}, el('a', { href: link(file), target: file.name.endsWith('.dcm') ? null : '_blank', rel: 'noopener' }, file.name), ' ', el('span', { class: 'quiet' }, bytes(file.bytes))))) : null,
    job.deliveries.length ? [el('h3', {}, t('deliveries')), deliveryTable(job)] : null,
    job.alerts.length ? [el('h3', {}, t('alerts')), alertTable(job.alerts)] : null);
}

function deliveryTable(job) {
  const rows = [...group(job.deliveries, (one) => one.destination)].map(([destination, all]) => {
    const counts = [...group(all, (one) => one.state)].map(([state, some]) => [state, some.length]);
    const open = all.filter((one) => ['pending', 'refused', 'dead'].includes(one.state));
    const reasons = [...new Set(open.map((one) => one.reason).filter(Boolean))];
    const last = all.map((one) => one.sent_at).filter(Boolean).sort().at(-1);
    const next = open.filter((one) => one.state === 'pending' && isAhead(one.not_before)).map((one) => one.not_before).sort()[0];
    const path = `/api/deliveries/${job.id}/${encodeURIComponent(destination)}/retry`;
    return el('tr', { 'data-key': destination },
      el('td', {}, el('b', {}, destination)),
      badgeCell(counts),
      el('td', { class: 'num', 'data-name': t('attempts') }, String(Math.max(...all.map((one) => one.attempts)))),
      el('td', { 'data-name': t('lastSent') }, moment(last)),
      el('td', { class: reasons.length || next ? 'wide' : 'void' }, el('span', { class: 'lines' }, reasons.map((reason) => el('span', { class: 'bad' }, reason)), next ? el('small', {}, t('nextTry', when(next))) : null)),
      el('td', { class: 'acts' }, open.length ? el('button', { type: 'button', 'data-act': 'sendAgain', 'data-path': path, 'aria-label': `${t('retry')}: ${destination}` }, t('retry')) : null));
  });
  return table(['destination', 'state', 'attempts', 'lastSent', 'reason', ''], rows);
}

const alertTable = (alerts) => table(['what', 'state', 'attempts', 'lastSent', 'reason'], alerts.map((alert) => el('tr', { 'data-key': alert.finding },
  el('td', {}, t('finding', alert.finding)), el('td', {}, badge(alert.state)), el('td', { class: 'num', 'data-name': t('attempts') }, String(alert.attempts)),
  el('td', { 'data-name': t('lastSent') }, moment(alert.sent_at)), el('td', { class: `bad ${alert.reason ? 'wide' : 'void'}` }, alert.reason ?? ''))));

function events(list) {
  if (list.length === 0) return [];
  return [el('h2', {}, t('events')), table(['at', 'what', 'detail'], list.map((event) => el('tr', { 'data-key': event.id },
    el('td', { class: 'num' }, el('time', { datetime: event.at }, exact(event.at))), el('td', {}, event.what),
    el('td', { class: event.detail ? 'wide' : 'void' }, event.detail ?? ''))))];
}

function showQuarantine(list) {
  show($('detail'), el('a', { href: '#/' }, `‹ ${t('back')}`), el('div', { class: 'title' }, el('h1', {}, t('quarantine'))),
    el('p', { class: 'quiet' }, t('quarantineText')),
    list.length ? quarantineTable(list) : el('div', { class: 'empty' }, el('p', {}, t('noQuarantine'))));
}

const quarantineTable = (list, ofOne) => table(['at', 'object', ...(ofOne ? [] : ['study']), 'sender', 'reason', 'size'], list.map((one) => el('tr', { 'data-key': one.id },
  el('td', { class: 'num' }, moment(one.received_at)), el('td', { class: 'mono wide' }, one.sop_instance_uid),
  ofOne ? null : el('td', { class: 'wide' }, el('a', { class: 'mono', href: `#/study/${one.study_uid}` }, one.study_uid)), el('td', { 'data-name': t('sender') }, one.sender),
  el('td', { class: 'wide' }, one.reason), el('td', { class: 'num', 'data-name': t('size') }, bytes(one.bytes)))));

// A table; a column without a head holds buttons.
const table = (heads, rows, kind) => el('div', { class: 'scroll cards' }, el('table', { class: kind },
  el('thead', {}, el('tr', {}, heads.map((head) => el('th', { scope: 'col', 'aria-label': head ? null : t('actions') }, head ? t(head) : '')))), el('tbody', {}, rows)));

function group(list, key) {
  const groups = new Map();
  for (const one of list) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return groups;
}

// ---- what its reader does

const SAID = { plan: 'planned', retry: 'retried', cancel: 'cancelledNow', finish: 'finished', sendAgain: 'sentAgain' };
const SURE = { cancel: 'askCancel', finish: 'askFinish' };

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-act], button[data-copy]');
  if (!button) return;
  const { act, path, copy } = button.dataset;
  if (copy) {
    await navigator.clipboard?.writeText(copy).then(() => say(t('copied')), () => {});
    return;
  }
  if (SURE[act] && !(await sure(t(SURE[act])))) return;
  button.disabled = true;
  try {
    await ask(path, { method: 'POST' });
    say(t(SAID[act]));
  } catch (error) {
    say(error instanceof Refusal ? error.message : t('silent'), true);
  }
  button.disabled = false;
  await look();
});

function sure(what) {
  const dialog = $('ask');
  $('ask-what').textContent = what;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener('close', () => answer(dialog.returnValue === 'yes'), { once: true }));
}

let saying;
function say(text, bad) {
  const said = $('said');
  said.textContent = text;
  said.classList.toggle('bad', Boolean(bad));
  said.hidden = false;
  clearTimeout(saying);
  saying = setTimeout(() => (said.hidden = true), bad ? 8000 : 3000);
}

function fillFilter() {
  const options = (select, values, words = t) => select.replaceChildren(el('option', { value: '' }, t('all')), ...values.map((value) => el('option', { value }, words(value))));
  options(filter.elements.state, STATES);
  options(filter.elements.lane, LANES);
  options(filter.elements.within, Object.keys(WITHIN));
}

function followAddress() {
  const { study, quarantine, query } = place();
  if (!study && !quarantine) {
    for (const name of ['state', 'lane', 'within', 'uid']) {
      const field = filter.elements[name];
      if (field !== document.activeElement || name !== 'uid') field.value = query.get(name) ?? '';
    }
  }
  return look();
}

let typing;
filter.addEventListener('input', (event) => {
  clearTimeout(typing);
  const go = () => {
    if (filter.checkValidity()) location.replace(filterAddress({ [event.target.name]: event.target.value.trim(), page: null }));
  };
  if (event.target.name === 'uid') typing = setTimeout(go, 300);
  else go();
});
filter.addEventListener('submit', (event) => event.preventDefault());

$('logout').addEventListener('click', async () => {
  await ask('/logout', { method: 'POST' });
  location.assign('/login');
});

addEventListener('hashchange', async () => {
  await followAddress();
  scrollTo(0, 0);
});
document.addEventListener('visibilitychange', () => document.hidden || look());

translate(document);
fillFilter();
await followAddress();
setInterval(() => document.hidden || look(), EVERY);
