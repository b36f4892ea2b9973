// node look.mjs PEERS OUT.png
//
// Serves OHIF beside the archive on port 8042, opens the only study there, puts the report into the left
// and the segmentation into the right viewport, and takes a picture. Prints what OHIF drew:
//
//   {"outlines": [{"image": SOP Instance UID, "points": [[l, p, s], ..], "label": text}],
//    "segments": [{"number": 1, "label": "..", "voxels": 91, "lowest": 76, "highest": 115}]}
//
// Values of a segment are those of the images below it, as OHIF computes them. Exit code 1 if there is no
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
const page = await browser.newPage({ viewport: { width: 1600, height: 860 } });
page.setDefaultTimeout(60_000);
page.on('pageerror', (error) => console.error(`viewer: ${error}`));
await page.addInitScript(() => localStorage.setItem('shownTours', '["basicViewerTour"]'));
await page.goto(`${viewer}/viewer?StudyInstanceUIDs=${study}`, { waitUntil: 'domcontentloaded' });

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
    return all
      .filter((one) => one.metadata.toolName === 'DICOMSRDisplay')
      .map((one) => ({
        image: one.metadata.referencedImageId?.match(/instances\/([0-9.]+)/)?.[1],
        points: Object.values(one.data.renderableData ?? one.metadata.renderableData ?? {}).flat(2).map((p) => [...p]),
        label: one.data.label,
      }))
      // The report of words refers to images; what has no points is no outline.
      .filter((one) => one.points.length > 0);
  });
const segments = () =>
  page.evaluate(() =>
    window.services.segmentationService.getSegmentations().flatMap((segmentation) =>
      Object.values(segmentation.segments).map((segment) => ({
        number: segment.segmentIndex,
        label: segment.label,
        voxels: segment.cachedStats?.namedStats?.count?.value,
        lowest: segment.cachedStats?.namedStats?.min?.value,
        highest: segment.cachedStats?.namedStats?.max?.value,
      })),
    ),
  );
// Asks again until `enough` of the answer, or gives back what there is.
async function wait(ask, enough, seconds) {
  for (const end = Date.now() + seconds * 1000; ; await page.waitForTimeout(250)) {
    const answer = await ask();
    if (enough(answer) || Date.now() > end) return answer;
  }
}
const some = (list) => list.length > 0;

await page.waitForFunction(() => document.querySelector('[data-cy="viewport-pane"] canvas'));
await page.evaluate(() => window.commandsManager.run('setViewportGridLayout', { numRows: 1, numCols: 2 }));
await wait(() => page.locator('[data-cy="viewport-pane"]').count(), (count) => count === 2, 60);

let drawn = [];
for (const report of await wait(() => sets('SR'), some, 60)) {
  await show(0, report);
  drawn = await wait(outlines, some, 30);
  if (some(drawn)) break;
}
let found = [];
for (const segmentation of await sets('SEG')) {
  const viewport = await show(1, segmentation);
  await page.getByRole('button', { name: 'Yes' }).first().click();
  found = await wait(segments, (list) => some(list) && list.every((segment) => segment.voxels), 60);
  await page.evaluate((id) => {
    const { segmentationService } = window.services;
    const [first] = segmentationService.getSegmentations();
    segmentationService.jumpToSegmentCenter(first.segmentationId, 1, id);
  }, viewport);
}
await page.waitForTimeout(2000);
await page.screenshot({ path: picture });
await browser.close();
server.close();
server.closeAllConnections();

console.log(JSON.stringify({ outlines: drawn, segments: found }));
process.exitCode = some(drawn) && some(found) ? 0 : 1;
