// Elements, numbers and times. Everything becomes text, never markup.

import { language, t } from './words.js';

// An element with attributes and children; strings become text, `null` and `false` nothing.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Makes what `place` shows equal to `fresh`, changing only what differs: nothing flickers, and the focus stays.
export function show(place, ...fresh) {
  const wanted = el('div', {}, ...fresh);
  children(place, wanted);
}

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether it is open, its reader decides.
    if (!fresh.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  children(old, fresh);
}

function children(old, fresh) {
  const keyed = new Map([...old.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const key = child.dataset?.key;
    const match = key ? keyed.get(key) : at?.dataset?.key ? null : at;
    if (!match) {
      old.insertBefore(child, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const numbers = new Intl.NumberFormat(language);
const clock = new Intl.DateTimeFormat(language, { timeStyle: 'medium' });
const dates = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'always', style: 'short' });

export const number = (value) => numbers.format(value);

export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const at = value > 0 ? Math.min(Math.floor(Math.log2(value) / 10), units.length - 1) : 0;
  const scaled = value / 1024 ** at;
  return `${numbers.format(Number(scaled.toFixed(at > 0 && scaled < 10 ? 1 : 0)))} ${units[at]}`;
}

// The clock of the node, as far as it is ahead of ours: ages are by its clock.
let ahead = 0;
export function setNow(text) {
  ahead = Date.parse(text) - Date.now();
}
const now = () => Date.now() + ahead;
export const time = (moment) => clock.format(moment);

// How long ago, or how soon; the exact time is what pointing at it shows.
export function when(text) {
  if (!text) return t('never');
  const seconds = (Date.parse(text) - now()) / 1000;
  const size = Math.abs(seconds);
  const [scale, unit] = size < 60 ? [1, 'second'] : size < 5400 ? [60, 'minute'] : size < 129600 ? [3600, 'hour'] : [86400, 'day'];
  return relative.format(Math.round(seconds / scale), unit);
}

export const exact = (text) => (text ? dates.format(new Date(text)) : '');

export function moment(text) {
  return text ? el('time', { datetime: text, title: exact(text) }, when(text)) : el('span', { class: 'quiet' }, t('never'));
}

export const age = (text) => Math.max(0, (now() - Date.parse(text)) / 1000);
export const isAhead = (text) => Date.parse(text) > now();

// A length of time, in its two largest units.
export function span(seconds) {
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const whole = Math.round(seconds);
  const first = units.findIndex(([size]) => whole >= size);
  if (first < 0) return `0 ${t('s')}`;
  const [size, unit] = units[first];
  const rest = units[first + 1] ? Math.floor((whole % size) / units[first + 1][0]) : 0;
  return `${Math.floor(whole / size)} ${t(unit)}${rest ? ` ${rest} ${t(units[first + 1][1])}` : ''}`;
}

// A state with its colour and its word.
export const badge = (state) => el('span', { class: `badge ${state}` }, t(state));
