"""Synthetic nodules: a shape, a density, an exact mask, set into a patch of background."""

import numpy as np
from scipy import ndimage as ndi

from scans import GRID_MM


def shape(rng, diameter_mm, size):
    """Share of each voxel (0..1) inside a nodule in the middle of a cube of `size` voxels.

    An ellipsoid in a random pose whose longest axis is `diameter_mm`, with
    bumps, and in part of the cases spicules or lobes. Half the nodules' edges
    are sharper than a voxel, half softer.
    """
    radius = diameter_mm / 2 / GRID_MM
    grid = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32) - (size - 1) / 2] * 3, indexing="ij"))
    grid -= rng.uniform(-0.5, 0.5, (3, 1, 1, 1)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)
    grid = np.tensordot(turn, grid, 1)
    axes = radius * rng.uniform(0.75, 1.15, 3)
    axes *= radius / axes.max()
    away = np.sqrt(sum((grid[a] / axes[a]) ** 2 for a in range(3))) + 1e-6
    towards = grid / (np.sqrt((grid**2).sum(0)) + 1e-6)
    bumps = np.zeros_like(away)
    for _ in range(6):
        wave = rng.uniform(-7, 7, 3)
        bumps += rng.uniform(0, 0.07) * np.sin(
            towards[0] * wave[0] + towards[1] * wave[1] + towards[2] * wave[2] + rng.uniform(0, 6.3)
        )
    if rng.random() < 0.35:  # spicules
        spikes = rng.standard_normal((rng.integers(5, 16), 3))
        spikes /= np.linalg.norm(spikes, axis=1)[:, None]
        near = np.max(np.tensordot(spikes.astype(np.float32), towards, 1), 0)
        bumps += rng.uniform(0.2, 0.9) * np.clip((near - 0.93) / 0.07, 0, 1)
    elif rng.random() < 0.3:  # lobes
        near = np.max(np.tensordot(rng.standard_normal((4, 3)).astype(np.float32) * 0.4, towards, 1), 0)
        bumps += rng.uniform(0, 0.35) * near
    edge = rng.uniform(0.3, 0.8)
    return 1 / (1 + np.exp(np.clip((away - 1 - bumps) * radius / edge, -30, 30)))


def insert(rng, hu, centre, diameter_mm):
    """The patch `hu` with a nodule at `centre` (voxels), and the nodule's exact mask."""
    size = int(np.ceil(diameter_mm * 2.0 / GRID_MM)) + 5
    share = np.zeros(hu.shape, np.float32)
    cube = shape(rng, diameter_mm, size)
    corner = np.round(np.asarray(centre) - (size - 1) / 2).astype(int)
    low, high = np.maximum(corner, 0), np.minimum(corner + size, hu.shape)
    there = tuple(slice(a, b) for a, b in zip(low, high))
    here = tuple(slice(a, b) for a, b in zip(low - corner, high - corner))
    share[there] = cube[here]
    ground_glass = rng.random() < 0.1
    density = rng.uniform(-600, -300) if ground_glass else rng.normal(20, 60)
    grain = ndi.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), 0.8)
    mixed = hu * (1 - share) + (density + grain * rng.uniform(10, 80)) * share
    # Ground glass lets vessels through; bone and wall stay what they are.
    painted = np.maximum(hu, mixed) if ground_glass else np.where(hu > density, hu, mixed)
    return painted, share > 0.5
