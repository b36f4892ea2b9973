"""Writes the training backgrounds: real scans on the grid, and synthetic chests.

    python prepare.py DATA OUT [--chests 14] [--seed 1]

DATA holds the folders LIDC-IDRI-0001 and C3N-00247 (DICOM) at any depth.
"""

import argparse
from pathlib import Path

import numpy as np

import scans
from thorax import thorax

PATIENTS = ["LIDC-IDRI-0001", "C3N-00247"]


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("data", type=Path)
    args.add_argument("out", type=Path)
    args.add_argument("--chests", type=int, default=14)
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    for patient in PATIENTS:
        scan = scans.read(scans.find(args.data, patient))
        for nodule in scan.nodules:
            print(patient, "keeps out", np.round(nodule.centre, 1), f"{nodule.diameter_mm:.0f} mm")
        # A grid of 1.3 or 1.75 mm called 1.5 mm is a larger or smaller patient.
        for grid_mm in (1.3, 1.5, 1.75):
            mask = scans.lung_mask(scans.resample(scan, grid_mm), grid_mm)
            for smooth in (True, False):
                hu = scans.resample(scan, grid_mm, smooth)
                kept_out = [
                    [*scans.to_grid(scan, n.centre, grid_mm), n.diameter_mm / 2 / grid_mm]
                    for n in scan.nodules
                ]
                name = f"{patient}_{grid_mm}_{'smooth' if smooth else 'plain'}.npz"
                save(args.out / name, hu, mask, kept_out)
    for number in range(args.chests):
        hu, mask = thorax(np.random.default_rng([args.seed, number]))
        save(args.out / f"chest_{number:02}.npz", hu, mask, [])


def save(path, hu, mask, kept_out):
    """`kept_out`: spheres (z, y, x, radius) in voxels that no patch may touch."""
    tissue = hu[(hu > 20) & (hu < 80)]
    print(path.name, hu.shape, f"lung {mask.sum() * 1.5**3 / 1e6:.1f} l", "tissue", tissue.size)
    np.savez(path, hu=np.clip(hu, -1100, 2000).astype(np.int16), mask=mask,
             kept_out=np.array(kept_out, np.float32).reshape(-1, 4))


if __name__ == "__main__":
    main()
