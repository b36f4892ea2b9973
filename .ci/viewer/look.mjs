// node look.mjs PEERS OUT.png
//
// Serves OHIF beside the archive on port 8042, opens the only study there, puts the report into the left
// and the segmentation into the right viewport, and takes a picture. Prints what OHIF drew:
//
//   {"outlines": [{"image": SOP Instance UID, "points": [[l, p, s], ..], "label": text}],
//    "segments": [{"number": 1, "label": "..", "voxels": 91, "lowest": 76, "highest": 115}]}
//
// Values of a segment are those of the images below it. Exit code 1 if there is no
// outline or no segment.

import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const [, , peers, picture] = process.argv;
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const { chromium } = createRequire(import.meta.url)(path.join(peers, 'npm/playwright-core'));
const dist = path.join(peers, 'npm/app/dist');
const archive = { host: '127.0.0.1', port: 8042 };

const types = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

// The archive as the viewer wants it: same origin, and no transfer-syntax=*, which this Orthanc does not know.
function pass(request, response) {
  const { 'accept-encoding': _, ...headers } = { ...request.headers, host: 'localhost' };
  if (headers.accept) headers.accept = headers.accept.replace(/;\s*transfer-syntax=\*/g, '');
  const asked = http.request({ ...archive, path: request.url, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on('error', () => response.writeHead(502).end());
  request.pipe(asked);
}

function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://localhost');
  // Shared memory between the viewer's workers needs an isolated page.
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  if (pathname.startsWith('/dicom-web')) return pass(request, response);
  let file = path.join(dist, decodeURIComponent(pathname));
  if (pathname === '/app-config.js') file = path.join(here, 'ohif.js');
  else if (!fs.existsSync(file) || !fs.statSync(file).isFile()) file = path.join(dist, 'index.html');
  response.setHeader('Content-Type', types[path.extname(file)] ?? 'application/octet-stream');
  fs.createReadStream(file).pipe(response);
}

const server = http.createServer(serve);
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const viewer = `http://127.0.0.1:${server.address().port}`;
const studies = await (await fetch(`${viewer}/dicom-web/studies`)).json();
const study = studies[0]['0020000D'].Value[0];

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'],
});
let page;
async function open() {
  page = await browser.newPage({ viewport: { width: 1600, height: 860 } });
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => console.error(`viewer: ${error}`));
  await page.addInitScript(() => localStorage.setItem('shownTours', '["basicViewerTour"]'));
  await page.goto(`${viewer}/viewer?StudyInstanceUIDs=${study}`, { waitUntil: 'domcontentloaded' });
}

const sets = (modality) =>
  page.evaluate(
    (wanted) => {
      const all = window.services.displaySetService.getActiveDisplaySets();
      return all.filter((set) => set.Modality === wanted).map((set) => set.displaySetInstanceUID);
    },
    modality,
  );
// Puts a display set into a viewport, as a double click on its thumbnail does.
const show = (viewport, set) =>
  page.evaluate(
    ([at, displaySetInstanceUID]) => {
      const { viewportGridService, hangingProtocolService } = window.services;
      const viewportId = [...viewportGridService.getState().viewports.keys()][at];
      viewportGridService.setActiveViewportId(viewportId);
      const updated = hangingProtocolService.getViewportsRequireUpdate(viewportId, displaySetInstanceUID, true);
      window.commandsManager.run('setDisplaySetsForViewports', { viewportsToUpdate: updated });
      return viewportId;
    },
    [viewport, set],
  );
const outlines = () =>
  page.evaluate(() => {
    const all = window.cornerstoneTools.annotation.state.getAllAnnotations();
    const found = all
      .filter((one) => one.metadata.toolName === 'DICOMSRDisplay')
      .map((one) => ({
        image: one.metadata.referencedImageId?.match(/instances\/([0-9.]+)/)?.[1],
        points: Object.values(one.data.renderableData ?? one.metadata.renderableData ?? {}).flat(2).map((p) => [...p]),
        label: one.data.label,
      }))
      // The report of words refers to images; what has no points is no outline.
      .filter((one) => one.points.length > 0);
    // A report that is put into its viewport again is noted again.
    return [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
  });
// What the viewer holds of each segment, and the images' values below it. OHIF's own statistics never came
// in one run, so the voxels are counted here.
const segments = () =>
  page.evaluate(async () => {
    const { cache, imageLoader } = window.cornerstone;
    const all = [];
    for (const segmentation of window.services.segmentationService.getSegmentations()) {
      const { imageIds = [], volumeId } = segmentation.representationData.Labelmap ?? {};
      const frames = (volumeId ? cache.getVolume(volumeId)?.imageIds : imageIds) ?? [];
      const found = Object.values(segmentation.segments).map(({ segmentIndex, label }) => ({
        number: segmentIndex, label, voxels: 0, lowest: Infinity, highest: -Infinity,
      }));
      for (const drawn of frames.map((id) => cache.getImage(id))) {
        const inside = drawn?.voxelManager.getScalarData() ?? [];
        if (!inside.some((number) => number > 0)) continue;
        // Images that were not looked at yet are not there yet.
        const below = await imageLoader.loadAndCacheImage(drawn.referencedImageId);
        const stored = below.voxelManager.getScalarData();
        const { slope = 1, intercept = 0 } = below.preScale?.scaled ? {} : below;
        for (let at = 0; at < inside.length; at++) {
          const segment = inside[at] && found.find((one) => one.number === inside[at]);
          if (!segment) continue;
          const value = stored[at] * slope + intercept;
          segment.voxels++;
          segment.lowest = Math.min(segment.lowest, value);
          segment.highest = Math.max(segment.highest, value);
        }
      }
      all.push(...found);
    }
    return all;
  });
// Asks again until `enough` of the answer, or gives back what there is.
async function wait(ask, enough, seconds) {
  for (const end = Date.now() + seconds * 1000; ; await page.waitForTimeout(250)) {
    const answer = await ask();
    if (enough(answer) || Date.now() > end) return answer;
  }
}
const some = (list) => list.length > 0;

const whole = (list) => some(list) && list.every((segment) => segment.voxels > 0);
let drawn = [];
let found = [];
async function look() {
  await page.waitForFunction(() => document.querySelector('[data-cy="viewport-pane"] canvas'));
  await page.evaluate(() => window.commandsManager.run('setViewportGridLayout', { numRows: 1, numCols: 2 }));
  await wait(() => page.locator('[data-cy="viewport-pane"]').count(), (count) => count === 2, 60);

  for (const report of await wait(() => sets('SR'), some, 60)) {
    await show(0, report);
    drawn = await wait(outlines, some, 30);
    if (some(drawn)) break;
  }
  for (const segmentation of await sets('SEG')) {
    const viewport = await show(1, segmentation);
    await page.getByRole('button', { name: 'Yes' }).first().click();
    found = await wait(segments, whole, 30);
    await page.evaluate((id) => {
      const { segmentationService } = window.services;
      const [first] = segmentationService.getSegmentations();
      segmentationService.jumpToSegmentCenter(first.segmentationId, 1, id);
    }, viewport);
  }
}
// The viewer loads in many pieces at once and now and then one of them never comes; a reader would load the
// page again, too.
for (let attempt = 1; attempt <= 3 && !(some(drawn) && whole(found)); attempt++) {
  await page?.close();
  await open();
  await look().catch((error) => console.error(`attempt ${attempt}: ${error}`));
}
await page.waitForTimeout(2000);
await page.screenshot({ path: picture });
await browser.close();
server.close();
server.closeAllConnections();

console.log(JSON.stringify({ outlines: drawn, segments: found }));
process.exitCode = some(drawn) && some(found) ? 0 : 1;
