"""Finds nodules in whole scans with the ONNX and says what was found.

    python evaluate.py MODEL.onnx DATA [--chests 4] [--threads 2] [--variants]

Scans: the two real ones with their real nodules (never trained on); with
`--variants` also a noisier, a smoother and an unsmoothed copy of each; and
new synthetic chests with and without nodules inserted.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime
from scipy import ndimage as ndi

import scans
from nodules import insert
from thorax import thorax

TILE, MARGIN = 96, 12


def starts(length):
    """Corners of tiles that overlap by two margins and end at the volume's end."""
    if length <= TILE:
        return [0]
    step = TILE - 2 * MARGIN
    count = int(np.ceil((length - TILE) / step)) + 1
    return [min(k * step, length - TILE) for k in range(count)]


def run(session, hu):
    """Heat, log diameter and mask of a whole volume `[z, y, x]`."""
    image = np.clip((hu + 1000) / 1400, 0, 1).astype(np.float32)
    shape = [int(np.ceil(n / 16) * 16) for n in hu.shape]
    image = np.pad(image, [(0, a - b) for a, b in zip(shape, hu.shape)])
    half = [n // 2 for n in shape]
    heat, log_d, mask = np.zeros(half, np.float32), np.zeros(half, np.float32), np.zeros(shape, np.float32)
    for corner in np.stack(np.meshgrid(*[starts(n) for n in shape], indexing="ij"), -1).reshape(-1, 3):
        end = np.minimum(corner + TILE, shape)
        tile = image[tuple(slice(a, b) for a, b in zip(corner, end))]
        parts = session.run(None, {"image": np.ascontiguousarray(tile)[None, None]})
        # Keep the tile's middle; its rim only where the volume ends.
        low = np.where(corner == 0, 0, MARGIN)
        high = end - corner - np.where(end == shape, 0, MARGIN)
        for whole, part, scale in zip((heat, log_d, mask), parts, (2, 2, 1)):
            there = tuple(slice((c + a) // scale, (c + b) // scale) for c, a, b in zip(corner, low, high))
            here = tuple(slice(a // scale, b // scale) for a, b in zip(low, high))
            whole[there] = part[0, 0][here]
    return heat, log_d, mask


def detect(session, hu, lung, threshold=0.05):
    """[(score, grid index, diameter mm)], best first, and the mask."""
    heat, log_d, mask = run(session, hu)
    peaks = np.argwhere((heat == ndi.maximum_filter(heat, 5)) & (heat > threshold))
    found = []
    for cell in peaks:
        place = 2 * cell + 0.5
        voxel = np.clip(np.round(place).astype(int), 0, np.array(hu.shape) - 1)
        if lung[tuple(voxel)]:
            found.append((float(heat[tuple(cell)]), place, 10 * float(np.exp(log_d[tuple(cell)]))))
    return sorted(found, key=lambda f: -f[0]), mask


def report(name, found, mask, truth):
    """Prints one scan; `truth` is [(grid index, diameter mm)]."""
    hits = set()
    lines = []
    for place, diameter in truth:
        near = [
            (rank, f) for rank, f in enumerate(found)
            if np.linalg.norm(f[1] - place) * scans.GRID_MM <= max(5.0, diameter / 2)
        ]
        hits.update(rank for rank, _ in near)
        if not near:
            lines.append(f"    {diameter:.0f} mm: missed")
            continue
        rank, (score, spot, size) = near[0]
        label, _ = ndi.label(mask > 0.5)
        piece = label[tuple(np.clip(np.round(spot).astype(int), 0, np.array(mask.shape) - 1))]
        volume = (label == piece).sum() * scans.GRID_MM**3 if piece else 0.0
        lines.append(
            f"    {diameter:.0f} mm: score {score:.3f} rank {rank + 1} off by "
            f"{np.linalg.norm(spot - place) * scans.GRID_MM:.1f} mm, diameter {size:.1f} mm, "
            f"mask {(6 * volume / np.pi) ** (1 / 3):.1f} mm across (volume), peaks here {len(near)}"
        )
    wrong = [f[0] for rank, f in enumerate(found) if rank not in hits]
    counts = ", ".join(f"{sum(s > t for s in wrong)} above {t}" for t in (0.05, 0.1, 0.3, 0.5))
    print(f"{name}: false positives {counts}; highest {[round(s, 3) for s in wrong[:3]]}", flush=True)
    for line in lines:
        print(line, flush=True)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("model", type=Path)
    args.add_argument("data", type=Path)
    args.add_argument("--chests", type=int, default=4)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--variants", action="store_true")
    args = args.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])

    tile = np.random.default_rng(0).random((1, 1, TILE, TILE, TILE), np.float32)
    times = []
    for _ in range(4):
        wall, cpu = time.time(), time.process_time()
        session.run(None, {"image": tile})
        times.append((time.time() - wall, time.process_time() - cpu))
    print("one 96^3 tile: wall %.2f s, CPU %.2f s (best of 4)" % tuple(np.min(times, 0)))

    rng = np.random.default_rng(99)
    for patient in ("LIDC-IDRI-0001", "C3N-00247"):
        scan = scans.read(scans.find(args.data, patient))
        hu = scans.resample(scan)
        lung = scans.lung_mask(hu)
        # Only the lungs and 18 mm around them, to save time.
        box = ndi.find_objects(lung.astype(np.uint8))[0]
        low = np.maximum([b.start - 12 for b in box], 0)
        high = np.minimum([b.stop + 12 for b in box], hu.shape)
        cut = tuple(slice(a, b) for a, b in zip(low, high))
        truth = [(scans.to_grid(scan, n.centre) - low, n.diameter_mm) for n in scan.nodules]
        copies = [("as it is", hu[cut])]
        if args.variants:
            noise = ndi.gaussian_filter(rng.standard_normal(hu[cut].shape).astype(np.float32), 0.5)
            copies += [
                ("noise of 30 HU added", hu[cut] + noise * (30 / noise.std())),
                ("smoothed by 1 mm", ndi.gaussian_filter(hu[cut], 1.0 / scans.GRID_MM)),
                ("sampled without smoothing", scans.resample(scan, smooth=False)[cut]),
            ]
        for name, copy in copies:
            found, mask = detect(session, copy, lung[cut])
            report(f"{patient} {name}", found, mask, truth)

    groups = {"4-6": (4, 6), "6-10": (6, 10), "10-20": (10, 20), "20-30": (20, 30), "30-45": (30, 45)}
    scores = {key: [] for key in groups}
    ratios = {key: [] for key in groups}
    for number in range(args.chests):
        clean, lung = thorax(np.random.default_rng([1000, number]))
        rng = np.random.default_rng([2000, number])
        sigma = [5, 15, 25, 40][number % 4]
        noise = rng.standard_normal(clean.shape).astype(np.float32)
        found, mask = detect(session, clean + sigma * noise, lung)
        report(f"chest {number} without nodules, noise {sigma} HU", found, mask, [])
        spots = np.argwhere(lung)
        hu, truth = clean.copy(), []
        for _ in range(60):
            key = list(groups)[len(truth) % len(groups)]
            diameter = rng.uniform(*groups[key])
            centre = spots[rng.integers(len(spots))].astype(float)
            if any(np.linalg.norm(centre - c) * scans.GRID_MM < (diameter + d) / 2 + 6 for c, d, _ in truth):
                continue
            # `insert` works on a patch: one that holds the nodule with room to spare.
            low = np.maximum(np.round(centre).astype(int) - 60, 0)
            box = tuple(slice(a, a + 120) for a in low)
            hu[box], _ = insert(rng, hu[box], centre - low, diameter)
            truth.append((centre, diameter, key))
            if len(truth) >= 10:
                break
        found, mask = detect(session, hu + sigma * noise, lung)
        for place, diameter, key in truth:
            near = [f for f in found if np.linalg.norm(f[1] - place) * scans.GRID_MM <= max(5, diameter / 2)]
            scores[key].append(near[0][0] if near else 0.0)
            if near:
                ratios[key].append(near[0][2] / diameter)
    for key in groups:
        if scores[key]:
            print(f"inserted {key} mm: {len(scores[key])}, found above 0.5 {sum(s > 0.5 for s in scores[key])}, "
                  f"median score {np.median(scores[key]):.2f}, median diameter ratio "
                  f"{np.median(ratios[key]) if ratios[key] else float('nan'):.2f}")


if __name__ == "__main__":
    main()
