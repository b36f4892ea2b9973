"""Training patches: a piece of background, none to three nodules, blur and noise.

The real nodules never appear: a patch that comes near one is not drawn at
all. What is learned as "nodule" is only what `nodules.insert` painted.
"""

import numpy as np
from scipy import ndimage as ndi

from nodules import insert
from scans import GRID_MM

SIZE = 56


class Background:
    """What prepare.py wrote, and the voxels where patches may be centred."""

    def __init__(self, path):
        stored = np.load(path)
        self.hu, self.mask, self.kept_out = stored["hu"], stored["mask"], stored["kept_out"]
        self.inside = np.argwhere(self.mask[::2, ::2, ::2])[::3] * 2

    def corner(self, rng):
        """The first voxel of a patch that keeps clear of every real nodule.

        Clear: its nearest voxel lies further from the centre than 1.2 radii
        and four voxels (6 mm).
        """
        shape = np.array(self.hu.shape)
        while True:
            middle = self.inside[rng.integers(len(self.inside))] + rng.integers(-12, 13, 3)
            low = np.clip(middle - SIZE // 2, 0, shape - SIZE)
            gaps = [
                np.linalg.norm(np.maximum(np.maximum(low - centre, centre - (low + SIZE - 1)), 0))
                - (radius * 1.2 + 4)
                for centre, radius in ((sphere[:3], sphere[3]) for sphere in self.kept_out)
            ]
            if all(gap > 0 for gap in gaps):
                return low


def draw(rng, background):
    """(image 0..1, heat, log diameter, where it counts, mask), each `[z, y, x]`."""
    low = background.corner(rng)
    box = tuple(slice(a, a + SIZE) for a in low)
    hu, lung = background.hu[box].astype(np.float32), background.mask[box]
    half = SIZE // 2
    heat, log_diameter, counts = (np.zeros((half,) * 3, np.float32) for _ in range(3))
    mask = np.zeros((SIZE,) * 3, np.float32)
    spots = np.argwhere(lung[3:-3, 3:-3, 3:-3]) + 3
    rim = lung & ~ndi.binary_erosion(lung, iterations=2)
    rims = np.argwhere(rim[3:-3, 3:-3, 3:-3]) + 3
    placed = []
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.3, 0.4, 0.2, 0.1])):
        pool = rims if len(rims) and rng.random() < 0.3 else spots
        if not len(pool):
            break
        centre = pool[rng.integers(len(pool))] + rng.uniform(-0.5, 0.5, 3)
        diameter = float(np.exp(rng.uniform(np.log(4), np.log(46 if rng.random() < 0.8 else 14))))
        if any(
            np.linalg.norm(centre - other) < (diameter + size) / 2 / GRID_MM + 2 for other, size in placed
        ):
            continue
        hu, painted = insert(rng, hu, centre, diameter)
        placed.append((centre, diameter))
        mask = np.maximum(mask, painted)
        # A heat cell has its centre at input index 2 a + 0.5.
        cell = np.round((centre - 0.5) / 2)
        sigma = max(1.0, diameter / GRID_MM / 2 / 6)
        away = [
            np.arange(half, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)]) - cell[axis]
            for axis in range(3)
        ]
        away = away[0] ** 2 + away[1] ** 2 + away[2] ** 2
        heat = np.maximum(heat, np.exp(-away / (2 * sigma**2)))
        near = away <= max(2, (sigma * 1.2) ** 2)
        log_diameter[near], counts[near] = np.log(diameter / 10), 1
    hu = scanner(rng, hu)
    image = np.clip((hu + 1000) / 1400, 0, 1)
    order = rng.permutation(3) if rng.random() < 0.25 else [0, 1, 2]
    flips = [axis for axis in range(3) if rng.random() < 0.5]
    return [
        np.ascontiguousarray(np.flip(part.transpose(order), flips)).astype(np.float32)
        for part in (image, heat, log_diameter, counts, mask)
    ]


def scanner(rng, hu):
    """Another kernel, dose and calibration."""
    if rng.random() < 0.35:
        hu = ndi.gaussian_filter(hu, rng.uniform(0.3, 0.8))
    if rng.random() < 0.7:
        noise = rng.standard_normal(hu.shape).astype(np.float32)
        if rng.random() < 0.5:
            noise = ndi.gaussian_filter(noise, rng.uniform(0.4, 0.9))
            noise /= noise.std()
        hu = hu + noise * rng.uniform(2, 45)
    return hu + rng.normal(0, 12)
