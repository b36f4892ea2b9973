// node page.mjs PEERS ADDRESS FOLDER [TOKEN]
//
// Uses the status page at ADDRESS (http://127.0.0.1:PORT) as an operator does, in Chromium: looks, filters,
// pages, retries, opens a study and its report, by mouse and by keyboard, on a desk and on a phone, light and
// dark, English and Chinese. Puts pictures into FOLDER and prints what was seen as one line of JSON.
// Anything that a browser complains about (script errors, content security, failed or foreign requests), text
// with too little contrast and pages wider than their window are in `complaints`.

import { createRequire } from 'node:module';
import path from 'node:path';

const [, , peers, address, folder, token] = process.argv;
const { chromium } = createRequire(import.meta.url)(path.join(peers, 'npm/playwright-core'));
const complaints = [];
const seen = {};

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => complaints.push(`script: ${error}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== address && protocol !== 'data:' && protocol !== 'blob:') complaints.push(`foreign request: ${request.url()}`);
  });
  return page;
}

// Logs in if the node asks for it.
async function enter(page, place = '/') {
  await page.goto(address + place);
  if (token) {
    await page.fill('#token', token);
    await page.keyboard.press('Enter');
  }
  await page.waitForSelector('#studies > *');
}

const rows = (page) => page.locator('#studies tbody tr');

// Text with less contrast than WCAG AA asks for, and a page that is wider than its window.
async function examine(page, name) {
  const found = await page.evaluate(() => {
    const parse = (text) => {
      const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
      return { r, g, b, a };
    };
    const over = (top, below) => ({
      r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1,
    });
    const light = ({ r, g, b }) => {
      const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
      const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
      return layers.reduceRight((below, layer) => over(layer, below), canvas);
    };
    const wrong = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode.data.trim();
      const element = texts.currentNode.parentElement;
      if (!text || !element.checkVisibility() || ['SCRIPT', 'NOSCRIPT', 'OPTION'].includes(element.tagName)) continue;
      const style = getComputedStyle(element);
      const back = behind(element);
      const [high, low] = [light(over(parse(style.color), back)), light(back)].sort((a, b) => b - a);
      const contrast = (high + 0.05) / (low + 0.05);
      const large = parseFloat(style.fontSize) >= 24;
      if (contrast < (large ? 3 : 4.5)) wrong.push(`contrast ${contrast.toFixed(2)} of "${text.slice(0, 40)}"`);
    }
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) wrong.push(`wider than the window by ${wide}`);
    return [...new Set(wrong)];
  });
  complaints.push(...found.map((one) => `${name}: ${one}`));
}

async function picture(page, name) {
  await page.waitForTimeout(150); // Pictures in the page are being decoded.
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  await examine(page, name);
}

// ---- at a desk
const desk = await open({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', colorScheme: 'light' });
if (token) {
  await desk.goto(address);
  await desk.waitForSelector('#token');
  await picture(desk, 'login');
  await desk.fill('#token', 'not the token, but as long as one');
  // The browser says on its console that this was refused; it is meant to be.
  const before = complaints.length;
  await desk.keyboard.press('Enter');
  await desk.waitForFunction(() => document.getElementById('wrong').textContent);
  seen.refused = await desk.textContent('#wrong');
  complaints.splice(before, complaints.length, ...complaints.slice(before).filter((one) => !one.includes('401')));
}
await enter(desk);
await picture(desk, 'desk');
seen.rows = await rows(desk).count();
seen.health = await desk.textContent('#health');

if (seen.rows > 0) {
  // The page looks again: what has not changed stays the very same element, and keeps the focus.
  await desk.focus('#studies tbody tr:first-child a');
  await desk.evaluate(() => (window.before = document.querySelector('#studies tbody tr')));
  await desk.waitForResponse((answer) => answer.url().includes('/api/studies'), { timeout: 15_000 });
  await desk.waitForTimeout(200);
  seen.steady = await desk.evaluate(() => window.before === document.querySelector('#studies tbody tr') && document.activeElement.closest('tr') === window.before);

  if (await desk.locator('#pages a').count()) {
    await desk.click('#pages a');
    await desk.waitForFunction(() => location.hash.includes('page=2'));
    await desk.waitForFunction(() => document.querySelectorAll('#pages a').length > 1 || document.querySelector('#pages').textContent.includes('‹'));
    seen.second = await desk.textContent('#pages');
    await picture(desk, 'desk-second-page');
    await desk.goBack();
    await desk.waitForFunction(() => !document.querySelector('#pages').textContent.includes('‹'));
  }

  await desk.selectOption('#filter-state', 'failed');
  await desk.waitForFunction(() => [...document.querySelectorAll('#studies tbody tr')].every((row) => row.querySelector('.badge.failed')));
  seen.failed = await rows(desk).count();
  seen.reason = await desk.textContent('#studies tbody td.result');
  await picture(desk, 'desk-failed');
  await desk.click('#studies tbody tr:first-child button[data-act=retry]');
  await desk.waitForSelector('#said:not([hidden])');
  await desk.waitForFunction((count) => document.querySelectorAll('#studies tbody tr').length === count - 1, seen.failed);

  await desk.selectOption('#filter-state', 'queued');
  await desk.waitForFunction(() => [...document.querySelectorAll('#studies tbody tr')].every((row) => row.querySelector('.badge.queued')));
  const queued = await rows(desk).count();
  await desk.click('#studies tbody tr:last-child button[data-act=cancel]');
  await desk.waitForSelector('dialog[open]');
  await desk.waitForTimeout(100);
  await desk.screenshot({ path: path.join(folder, 'desk-sure.png') });
  await desk.keyboard.press('Escape');
  await desk.waitForTimeout(300);
  seen.escaped = (await rows(desk).count()) === queued;
  await desk.click('#studies tbody tr:last-child button[data-act=cancel]');
  await desk.click('#ask-yes');
  await desk.waitForFunction((count) => document.querySelectorAll('#studies tbody tr').length === count - 1, queued);
  seen.cancelled = true;

  await desk.selectOption('#filter-state', '');
  await desk.fill('input[name=uid]', '99.99');
  await desk.waitForSelector('#studies .empty');
  await picture(desk, 'desk-no-match');
  await desk.click('#studies .empty a');
  await desk.waitForSelector('#studies tbody tr');

  // What waits for its first decision cannot be decided again: the node would refuse.
  seen.decideAgain = {};
  const lookAgain = () => desk.evaluate(() => dispatchEvent(new Event('hashchange')));
  for (const state of ['complete', 'ignored']) {
    await desk.route('**/api/studies?*', async (route) => {
      const response = await route.fetch();
      const json = await response.json();
      for (const study of json.studies) Object.assign(study, { state, job: null });
      await route.fulfill({ response, json });
    });
    await lookAgain();
    await desk.waitForFunction((state) => [...document.querySelectorAll('#studies tbody tr')].every((row) => row.querySelector(`.badge.${state}`)), state);
    seen.decideAgain[state] = await desk.locator('#studies button[data-act=plan]').count();
    await desk.unroute('**/api/studies?*');
  }
  await lookAgain();
  await desk.waitForSelector('#studies .badge.done');

  // By keyboard alone: to the first study, and in.
  await desk.focus('.skip');
  for (let n = 0; n < 40 && !(await desk.evaluate(() => document.activeElement.matches('#studies a.mono'))); n++) await desk.keyboard.press('Tab');
  await desk.keyboard.press('Enter');
  await desk.waitForSelector('#detail h1');
  seen.detail = await desk.textContent('#detail h1');
  await desk.waitForFunction(() => [...document.images].every((image) => image.complete && image.naturalWidth > 0));
  seen.pictures = await desk.locator('.pictures img').count();
  await picture(desk, 'desk-study');

  const [report] = await Promise.all([desk.context().waitForEvent('page'), desk.click('a.button.strong')]);
  await report.waitForLoadState();
  seen.reportRan = (await report.title()) === 'ran';
  seen.reportPicture = await report.evaluate(() => document.images[0].naturalWidth > 0);
  await report.close();

  await desk.goto(`${address}/#/quarantine`);
  await desk.waitForSelector('#detail table');
  await picture(desk, 'desk-quarantine');
}

// ---- elsewhere
const first = seen.detail;
for (const [name, options] of [
  ['phone', { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, locale: 'en-GB' }],
  ['dark', { viewport: { width: 1280, height: 800 }, colorScheme: 'dark', locale: 'en-GB' }],
  ['chinese', { viewport: { width: 1024, height: 768 }, locale: 'zh-CN' }],
]) {
  const page = await open(options);
  await enter(page);
  await picture(page, name);
  if (name === 'chinese') seen.chinese = await page.textContent('h1');
  if (first) {
    await page.goto(`${address}/#/study/${first}`);
    await page.waitForSelector('#detail h1');
    await picture(page, `${name}-study`);
  }
  await page.context().close();
}

// ---- the description of the API
await desk.goto(`${address}/docs/`);
await desk.waitForSelector('.opblock');
seen.operations = await desk.locator('.opblock').count();
await desk.screenshot({ path: path.join(folder, 'docs.png') });

await browser.close();
console.log(JSON.stringify({ ...seen, complaints }));
