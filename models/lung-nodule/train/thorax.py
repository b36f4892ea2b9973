"""Synthetic chests: lungs, branching vessels, ribs, spine, heart, chest wall.

Noise-free; noise and blur are drawn anew for every training patch. They teach
that tubes, tube ends, ribs and the wall are not nodules, on backgrounds far
smoother and far noisier than the two real ones.
"""

import numpy as np
from scipy import ndimage as ndi

GRID_MM = 1.5


def soft(distance_mm, width_mm=GRID_MM):
    """Share of a voxel that is inside, from the depth of its centre (mm)."""
    return np.clip(distance_mm / width_mm + 0.5, 0.0, 1.0)


def add_tube(share, start, end, radius_start, radius_end):
    """Raises `share` (0..1) to that of a capsule; points (z, y, x) and radii in voxels."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    reach = max(radius_start, radius_end) + 1.5
    low = np.maximum(np.floor(np.minimum(start, end) - reach), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start, end) + reach) + 1, share.shape).astype(int)
    if np.any(high <= low):
        return
    box = tuple(slice(a, b) for a, b in zip(low, high))
    z, y, x = np.ogrid[box]
    axis = end - start
    length2 = max(float(axis @ axis), 1e-6)
    along = ((z - start[0]) * axis[0] + (y - start[1]) * axis[1] + (x - start[2]) * axis[2]) / length2
    along = np.clip(along, 0, 1)
    away = np.sqrt(
        (z - start[0] - along * axis[0]) ** 2
        + (y - start[1] - along * axis[1]) ** 2
        + (x - start[2] - along * axis[2]) ** 2
    )
    radius = radius_start + (radius_end - radius_start) * along
    # A vessel thinner than a voxel fills only a part of it.
    inside = np.clip(radius - away + 0.5, 0, 1) * np.clip(2 * radius, 0, 1)
    np.maximum(share[box], inside, out=share[box])


def unit(v):
    return v / (np.linalg.norm(v) + 1e-9)


def grow_tree(rng, share, inside, start, direction, radius, taper, wander, depth=0):
    """A branching vessel from `start` until it leaves the lung or becomes too thin."""
    if radius < 0.35 or depth > 9:
        return
    steps = rng.integers(2, 5)
    point, thick = start, radius
    for _ in range(steps):
        direction = unit(direction + wander * rng.standard_normal(3))
        target = point + direction * rng.uniform(3.0, 6.5)
        if not inside(target):
            return
        thinner = thick * (taper ** (1 / steps))
        add_tube(share, point, target, thick, thinner)
        point, thick = target, thinner
    for _ in range(2 if rng.random() < 0.8 else 3):
        side = unit(direction + rng.uniform(0.4, 1.0) * rng.standard_normal(3))
        grow_tree(
            rng, share, inside, point, side, thick * rng.uniform(0.65, 0.95), taper, wander, depth + 1
        )


def thorax(rng, shape=(144, 176, 224)):
    """One chest: (HU float32 `[z, y, x]`, lung mask), 1.5 mm grid."""
    z, y, x = (
        ((np.arange(n) - n / 2) * GRID_MM).astype(np.float32).reshape([-1 if a == k else 1 for k in range(3)])
        for a, n in enumerate(shape)
    )
    wall_x, wall_y = rng.uniform(140, 160), rng.uniform(98, 118)
    power = rng.uniform(2.0, 3.0)
    body = ((np.abs(x) / wall_x) ** power + (np.abs(y) / wall_y) ** power) ** (1 / power) + 0 * z
    fat = rng.uniform(3, 18)
    hu = np.full(shape, -1000.0, np.float32)
    depth = (1 - body) * wall_y
    hu += soft(depth) * (rng.uniform(-115, -80) + 1000)
    hu += soft(depth - fat) * (rng.uniform(20, 60) + 100)

    lung_x, lung_y = rng.uniform(38, 52), min(rng.uniform(62, 80), wall_y - fat - 14)
    lung_z, apart = rng.uniform(75, 105), rng.uniform(58, 72)
    roundness = rng.uniform(2.0, 3.2)
    ripple = rng.uniform(0, 0.05)
    lung = np.zeros(shape, np.float32)
    centres = []
    for side in (-1, 1):
        middle = np.array([rng.uniform(-8, 8), rng.uniform(-6, 6), side * apart])
        u, v, w = (z - middle[0]) / lung_z, (y - middle[1]) / lung_y, (x - middle[2]) / lung_x
        q = (np.abs(u) ** roundness + np.abs(v) ** roundness + np.abs(w) ** roundness) ** (1 / roundness)
        q = q + ripple * np.sin(3 * u + side) * np.sin(4 * v) * np.cos(3 * w)
        share = soft((1 - q) * lung_x)
        dome = -lung_z * rng.uniform(0.4, 0.8) + rng.uniform(0, 30) * np.exp(
            -((y - middle[1]) ** 2 + (x - middle[2]) ** 2) / 45.0**2
        )
        share = share * soft(z - dome)
        lung = np.maximum(lung, share)
        centres.append(middle)
    heart = np.array([rng.uniform(-50, -20), rng.uniform(-40, -15), rng.uniform(5, 35)])
    size = rng.uniform(35, 55, 3)
    q = np.sqrt(
        ((z - heart[0]) / size[0]) ** 2 + ((y - heart[1]) / size[1]) ** 2 + ((x - heart[2]) / size[2]) ** 2
    )
    if rng.random() < 0.8:
        lung = lung * (1 - soft((1 - q) * size.min()))
    air_hu = rng.uniform(-890, -790)
    gradient = rng.uniform(0, 0.5) * y
    mask = lung > 0.5

    # Vessels live on the lung's mask, from the hilum outwards.
    share = np.zeros(shape, np.float32)
    deep = ndi.distance_transform_edt(mask)

    def inside(point):
        p = np.round(point).astype(int)
        return bool(np.all(p >= 0) and np.all(p < shape) and deep[tuple(p)] > 1.5)

    centre_voxel = np.array(shape) / 2
    style = rng.random()
    for side, middle in zip((-1, 1), centres):
        hilum = centre_voxel + (middle + [rng.uniform(-20, 10), 0, -side * lung_x * 0.7]) / GRID_MM
        if style < 0.2:  # straight tubes of one thickness, a phantom's vessels
            for _ in range(rng.integers(8, 30)):
                end = centre_voxel + (middle + rng.uniform(-0.75, 0.75, 3) * [lung_z, lung_y, lung_x]) / GRID_MM
                start = hilum if rng.random() < 0.6 else end + rng.normal(0, 15, 3)
                radius = rng.uniform(0.5, 2.8)
                add_tube(share, start, end, radius, radius)
                if rng.random() < 0.5:
                    add_tube(share, end, end + rng.normal(0, 12, 3), radius * 0.7, radius * 0.5)
        else:
            for _ in range(rng.integers(10, 24)):
                goal = rng.uniform(-0.9, 0.9, 3) * [lung_z, lung_y, lung_x] / GRID_MM
                goal = centre_voxel + middle / GRID_MM + goal
                start = hilum
                for _ in range(40):  # enter the lung before branching
                    if inside(start):
                        break
                    start = start + unit(goal - hilum) * 1.0
                grow_tree(
                    rng, share, inside, start, unit(goal - hilum), rng.uniform(1.2, 3.6),
                    rng.uniform(0.7, 0.95), rng.uniform(0.05, 0.3),
                )
    vessel_hu = rng.uniform(20, 60) if rng.random() < 0.6 else rng.uniform(80, 250)
    texture = ndi.gaussian_filter(rng.standard_normal(shape).astype(np.float32), 2.0)
    texture *= rng.uniform(0, 25) / texture.std()
    hu = hu * (1 - lung) + (air_hu + gradient + texture) * lung
    hu = hu + share * lung * (vessel_hu - hu)
    mask = mask | (ndi.binary_closing(mask, iterations=3))

    # Spine, aorta, ribs.
    outside = 1 - lung
    spine = np.sqrt(x**2 + (y - (lung_y * 0.75)) ** 2) + 0 * z
    radius = rng.uniform(15, 20)
    bone = rng.uniform(150, 500)
    hu += outside * soft(radius - spine) * (bone * (0.7 + 0.3 * np.cos(2 * np.pi * z / 30)) - 40)
    aorta = np.sqrt((x - 25) ** 2 + (y - lung_y * 0.45) ** 2) + 0 * z
    hu += outside * soft(rng.uniform(9, 14) - aorta) * (vessel_hu - 40)
    cage_x, cage_y = apart + lung_x + 4, lung_y + 4
    cage = np.sqrt((x / cage_x) ** 2 + (y / cage_y) ** 2) + 0 * z
    pitch, slope, thick = rng.uniform(20, 32), rng.uniform(0.1, 0.6), rng.uniform(3.5, 6)
    phase = np.mod(z - slope * y + rng.uniform(0, pitch), pitch) - pitch / 2
    rib = np.sqrt(phase**2 + ((cage - 1.02) * cage_y) ** 2)
    hu += outside * soft(thick - rib) * soft(depth - 3) * rng.uniform(200, 700)
    return hu.astype(np.float32), mask
