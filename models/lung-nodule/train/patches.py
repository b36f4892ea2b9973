"""Training patches: a background, synthetic nodules and tubes, blur and noise.

The real nodules never appear: a patch that comes within MARGIN_MM of one is
not drawn at all. What is learned as "nodule" is only what `insert` paints.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi

from thorax import add_tube

GRID_MM = 1.5
MARGIN_MM = 9.0
DIAMETER_MM = (4.0, 48.0)


@dataclass
class Background:
    name: str
    hu: np.ndarray
    mask: np.ndarray
    kept_out: np.ndarray
    inside: np.ndarray
    noise_hu: float


def load(path):
    stored = np.load(path)
    hu, mask = stored["hu"], stored["mask"]
    inside = np.argwhere(mask)[::11].astype(np.int16)
    # Noise of the scan: what a blur takes away in homogeneous soft tissue.
    part = hu[::2, ::2, ::2].astype(np.float32)
    middle = hu.astype(np.float32)
    rough = (middle - ndi.gaussian_filter(middle, 1.0))[::2, ::2, ::2]
    tissue = (part > 0) & (part < 100) & (np.abs(rough) < 150)
    return Background(path.name, hu, mask, stored["kept_out"], inside, float(rough[tissue].std()))


def sphere_noise(rng, direction, terms, strength):
    """A smooth random function of direction, for lobulated outlines."""
    out = 0.0
    for _ in range(terms):
        wave = rng.normal(0, 3.0, 3)
        out = out + rng.uniform(0, strength) * np.sin(
            wave[0] * direction[0] + wave[1] * direction[1] + wave[2] * direction[2] + rng.uniform(0, 6.3)
        )
    return out


def draw_diameter(rng):
    low, high = DIAMETER_MM
    if rng.random() < 0.75:
        return np.exp(rng.uniform(np.log(low), np.log(20.0)))
    return rng.uniform(18.0, high)


def share_of(rng, shape, centre, diameter_mm):
    """(box, share of nodule 0..1 in it) for a nodule at `centre` (voxels)."""
    radius = diameter_mm / 2 / GRID_MM
    axes = radius * np.exp(rng.normal(0, 0.13, 3))
    reach = radius * 1.7 + 3
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach) + 1, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high))
    grid = np.stack(np.meshgrid(*[np.arange(a, b, dtype=np.float32) for a, b in zip(low, high)], indexing="ij"))
    away = grid - centre.astype(np.float32)[:, None, None, None]
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)
    turned = np.tensordot(turn, away, 1)
    q = np.sqrt(((turned / axes.astype(np.float32)[:, None, None, None]) ** 2).sum(0))
    direction = away / (np.sqrt((away**2).sum(0)) + 1e-6)
    outline = 1.0
    if rng.random() < 0.75:
        outline = outline + sphere_noise(rng, direction, 4, 0.11 if radius > 4 else 0.06)
    if rng.random() < 0.35:  # spicules
        rays = rng.standard_normal((rng.integers(5, 16), 3)).astype(np.float32)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        nearest = np.full(q.shape, -1.0, np.float32)
        for ray in rays:
            np.maximum(nearest, np.tensordot(ray, direction, 1), out=nearest)
        outline = outline + rng.uniform(0.15, 0.6) * np.clip((nearest - 0.93) / 0.07, 0, 1)
    share = 1 / (1 + np.exp(np.clip((q - outline) * radius / rng.uniform(0.15, 0.5), -30, 30)))
    if radius > 3 and rng.random() < 0.3:  # a second lobe
        other = centre + rng.normal(0, 0.5, 3) * radius
        q2 = np.sqrt(((grid - other[:, None, None, None]) ** 2).sum(0)) / (radius * rng.uniform(0.5, 0.8))
        share = np.maximum(share, 1 / (1 + np.exp(np.clip((q2 - 1) * radius * 3, -30, 30))))
    if rng.random() < 0.5:  # thick slices
        share = ndi.gaussian_filter1d(share, rng.uniform(0.2, 0.9), axis=0)
    return box, share.astype(np.float32), turned


def insert(rng, hu, mask, centre, diameter_mm, noise_hu):
    """Paints one nodule into `hu`; its visible share (patch-shaped) or None."""
    box, share, turned = share_of(rng, np.array(hu.shape), centre, diameter_mm)
    room = ndi.gaussian_filter(ndi.binary_dilation(mask[box]).astype(np.float32), 0.5)
    whole = share.sum()
    share = share * room
    seen = share * mask[box]
    if seen.sum() < 0.35 * whole or seen.sum() < 4:
        return None
    part = hu[box]
    if diameter_mm > 6 and rng.random() < 0.1:  # ground glass: vessels stay visible
        share = share * rng.uniform(0.5, 0.9)
        value = rng.uniform(-550, -250)
        painted = np.maximum(part, part + share * (value - part))
        seen_share = seen
    else:
        value = rng.normal(30, 45)
        if rng.random() < 0.06:
            value = rng.uniform(150, 600)  # calcified
        texture = ndi.gaussian_filter(rng.standard_normal(share.shape).astype(np.float32), 1.2)
        texture *= rng.uniform(0, 35) / (texture.std() + 1e-6)
        grain = ndi.gaussian_filter(rng.standard_normal(share.shape).astype(np.float32), 0.5)
        texture += grain * (noise_hu * rng.uniform(0.6, 1.2) / (grain.std() + 1e-6))
        inner = value + texture
        if diameter_mm > 12 and rng.random() < 0.12:  # a cavity or necrosis
            hollow = np.sqrt((turned**2).sum(0)) * GRID_MM / diameter_mm * 2
            deep = rng.uniform(0.25, 0.6)
            core = rng.uniform(-900, -300) if rng.random() < 0.5 else rng.uniform(-30, 20)
            inner = np.where(hollow < deep, core, inner)
        painted = part + share * (inner - part)
        seen_share = seen
    hu[box] = painted
    full = np.zeros(hu.shape, np.float32)
    full[box] = seen_share
    return full


def distract(rng, hu, mask):
    """Extra vessels and thin sheets (bands, fissures): no nodules."""
    share = np.zeros(hu.shape, np.float32)
    spots = np.argwhere(mask)
    if rng.random() < 0.8:
        for _ in range(rng.integers(1, 5)):
            point = spots[rng.integers(len(spots))].astype(float)
            direction = rng.standard_normal(3)
            radius = rng.uniform(0.4, 2.6)
            for _ in range(rng.integers(2, 6)):
                direction = direction / np.linalg.norm(direction) + 0.35 * rng.standard_normal(3)
                target = point + direction / np.linalg.norm(direction) * rng.uniform(4, 9)
                add_tube(share, point, target, radius, radius * 0.9)
                point, radius = target, radius * 0.9
    else:
        normal = rng.standard_normal(3)
        normal /= np.linalg.norm(normal)
        point = spots[rng.integers(len(spots))]
        z, y, x = np.ogrid[tuple(slice(0, n) for n in hu.shape)]
        depth = (z - point[0]) * normal[0] + (y - point[1]) * normal[1] + (x - point[2]) * normal[2]
        share = np.clip(rng.uniform(0.3, 1.2) - np.abs(depth) + 0.5, 0, 1).astype(np.float32)
    share *= mask
    value = rng.uniform(-50, 80) if rng.random() < 0.7 else rng.uniform(80, 250)
    hu += np.maximum(share * (value - hu), 0)


def scanner(rng, hu, clean):
    """Another kernel, dose and calibration; `clean` backgrounds always get noise."""
    if rng.random() < 0.4:
        blur = rng.uniform(0.25, 0.9)
        hu = ndi.gaussian_filter(hu, [blur * rng.uniform(0.8, 1.3), blur, blur])
    elif rng.random() < 0.3:
        hu = hu + rng.uniform(0.3, 1.2) * (hu - ndi.gaussian_filter(hu, 0.8))
    if rng.random() < (0.92 if clean else 0.5):
        noise = rng.standard_normal(hu.shape).astype(np.float32)
        if rng.random() < 0.6:
            noise = ndi.gaussian_filter(noise, rng.uniform(0.3, 0.8))
        hu = hu + noise * (np.exp(rng.uniform(np.log(4), np.log(60))) / noise.std())
    return hu * rng.uniform(0.97, 1.03) + rng.uniform(-15, 15)


def touches(low, size, kept_out):
    reach = kept_out[:, 3:] + MARGIN_MM / GRID_MM
    return bool(np.any(np.all((kept_out[:, :3] + reach > low) & (kept_out[:, :3] - reach < low + size), axis=1)))


def draw(rng, backgrounds, size):
    """One patch: (image 0..1, heat, log diameter, its weight, mask)."""
    while True:
        back = backgrounds[rng.integers(len(backgrounds))]
        for _ in range(200):
            middle = back.inside[rng.integers(len(back.inside))] + rng.integers(-size // 4, size // 4 + 1, 3)
            low = np.clip(middle - size // 2, 0, np.array(back.hu.shape) - size)
            cut = tuple(slice(a, a + size) for a in low)
            if not touches(low, size, back.kept_out) and back.mask[cut].mean() > 0.05:
                break
        else:
            continue
        break
    hu, lung = back.hu[cut].astype(np.float32), back.mask[cut]
    if rng.random() < 0.35:
        distract(rng, hu, lung)
    half = size // 2
    heat, log_d, weight = (np.zeros((half,) * 3, np.float32) for _ in range(3))
    mask = np.zeros((size,) * 3, np.float32)
    spots = np.argwhere(lung[5:-5, 5:-5, 5:-5]) + 5
    z, y, x = np.ogrid[:half, :half, :half]
    done = []
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.2, 0.45, 0.25, 0.1])):
        diameter = draw_diameter(rng)
        centre = spots[rng.integers(len(spots))] + rng.uniform(-0.5, 0.5, 3)
        if rng.random() < 0.4:  # move to the nearest wall
            step = rng.standard_normal(3)
            step /= np.linalg.norm(step)
            for _ in range(size):
                ahead = np.round(centre + step).astype(int)
                if np.any(ahead < 5) or np.any(ahead >= size - 5) or not lung[tuple(ahead)]:
                    break
                centre = centre + step
            centre = centre - step * rng.uniform(-0.1, 0.9) * diameter / 2 / GRID_MM
            centre = np.clip(centre, 5, size - 6)
        reach = diameter / 2 / GRID_MM
        if any(np.linalg.norm(centre - c) < 1.3 * (reach + r) + 2 for c, r in done):
            continue
        seen = insert(rng, hu, lung, centre, diameter, back.noise_hu)
        if seen is None:
            continue
        points = np.argwhere(seen > 0.5)
        if len(points) < 2:
            points = np.argwhere(seen > 0.6 * seen.max())
        middle = points.mean(0)
        # Diameter of what is visible: mean of the two longest axes of the
        # ellipsoid with the same second moments (a voxel adds 1/12).
        if len(points) > 8:
            moments = np.sort(np.linalg.eigvalsh(np.cov(points.T) + np.eye(3) / 12))[1:]
            diameter = 2 * np.sqrt(5) * np.sqrt(np.maximum(moments, 0)).mean() * GRID_MM
        done.append((centre, reach))
        mask = np.maximum(mask, seen > 0.5)
        cell = np.clip(np.round((middle - 0.5) / 2), 0, half - 1)
        radius = diameter / 2 / GRID_MM / 2
        away = (z - cell[0]) ** 2 + (y - cell[1]) ** 2 + (x - cell[2]) ** 2
        heat = np.maximum(heat, np.exp(-away / (2 * max(0.8, radius / 3) ** 2)).astype(np.float32))
        near = away <= max(2.0, (radius * 0.5) ** 2)
        log_d[near], weight[near] = np.log(diameter / 10), 1 / near.sum()
    hu = scanner(rng, hu, back.name.startswith("chest"))
    image = np.clip((hu + 1000) / 1400, 0, 1)
    flips = [axis for axis in range(3) if rng.random() < 0.5]
    return [np.ascontiguousarray(np.flip(a, flips)) for a in (image, heat, log_d, weight, mask)]


