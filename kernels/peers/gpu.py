"""What a researcher would call on an NVIDIA GPU instead of Foci's kernels; see rivals.py, whose manners it has.

    gpu.py FOLDER CASE RIVAL

`run` answers with milliseconds between two events on the stream, and by the clock until the device is done. Needs
torch; CuPy (`cupy-cuda12x` or `cupy-cuda13x`) and MONAI have their say where they are installed.
"""

import importlib.util
import time

import numpy as np

import rivals
from rivals import HIGH, LOW, MILLIMETRE, SPACING, load

CASES = {}
DEVICE = "cuda"
EDGE = 96
SCALE = float(1 / (HIGH - LOW))


def rival(case, name, needs="torch"):
    if importlib.util.find_spec(needs) is None:
        return lambda make: make
    return rivals.rival(case, name, CASES)


def differ(theirs, ours):
    theirs = theirs.get() if hasattr(theirs, "get") else theirs.cpu().numpy()
    off = np.abs(theirs.astype(np.float32) - ours.reshape(theirs.shape).astype(np.float32))
    return f"mean {off.mean(dtype=np.float64):.2g}, greatest {off.max():.2g}"


def torch_and(folder, name):
    import torch
    return torch, torch.from_numpy(load(folder, name)).to(DEVICE)


def windowed(volume):
    return volume.sub_(float(LOW)).mul_(SCALE).clamp_(0, 1)


# From stored integers in the device's memory to the tensor that a network takes, in half precision.


@rival("preprocess", "torch interpolate")
def _(folder):
    torch, ct = torch_and(folder, "ct")
    def run():
        out = torch.nn.functional.interpolate(ct.float()[None, None], size=MILLIMETRE, mode="trilinear")
        return windowed(out)[0, 0].half()
    return run, differ


@rival("preprocess", "torch interpolate in half precision")
def _(folder):
    torch, ct = torch_and(folder, "ct")
    def run():
        out = torch.nn.functional.interpolate(ct.half()[None, None], size=MILLIMETRE, mode="trilinear")
        return windowed(out)[0, 0]
    return run, differ


@rival("preprocess", "torch interpolate, compiled")
def _(folder):
    torch, ct = torch_and(folder, "ct")
    @torch.compile
    def run():
        out = torch.nn.functional.interpolate(ct.float()[None, None], size=MILLIMETRE, mode="trilinear")[0, 0]
        return ((out - float(LOW)) * SCALE).clamp(0, 1).half()
    return run, differ


@rival("preprocess", "torch grid_sample")
def _(folder):
    torch, ct = torch_and(folder, "ct")
    functional, same = torch.nn.functional, torch.eye(3, 4, device=DEVICE)[None]
    def run():
        grid = functional.affine_grid(same, (1, 1, *MILLIMETRE), align_corners=False)
        out = functional.grid_sample(ct.float()[None, None], grid, padding_mode="border", align_corners=False)
        return windowed(out)[0, 0].half()
    return run, differ


@rival("preprocess", "CuPy zoom", needs="cupy")
def _(folder):
    import cupy
    from cupyx.scipy import ndimage
    ct = cupy.asarray(load(folder, "ct"))
    zoom = [m / n for m, n in zip(MILLIMETRE, ct.shape)]
    def run():
        out = ndimage.zoom(ct.astype(cupy.float32), zoom, order=1, mode="nearest", grid_mode=True)
        return cupy.clip((out - LOW) * cupy.float32(SCALE), 0, 1).astype(cupy.float16)
    return run, differ


@rival("preprocess", "MONAI Spacing and window", needs="monai")
def _(folder):
    torch, ct = torch_and(folder, "ct")
    from monai.data import MetaTensor
    from monai.transforms import Compose, ScaleIntensityRange, Spacing
    image = ct.permute(2, 1, 0).contiguous()[None]
    affine = torch.diag(torch.tensor(SPACING + (1.0,), dtype=torch.float64))
    chain = Compose([Spacing((1.0, 1.0, 1.0), mode="bilinear", dtype=torch.float32),
                     ScaleIntensityRange(float(LOW), float(HIGH), 0.0, 1.0, clip=True)])
    # Voxel centre on voxel centre: other places.
    return lambda: chain(MetaTensor(image, affine=affine))[0].half(), lambda theirs, _: f"shape {tuple(theirs.shape)}"


# The same from the host's memory.


@rival("upload", "torch, pageable memory")
def _(folder):
    import torch
    ct = torch.from_numpy(load(folder, "ct"))
    def run():
        out = torch.nn.functional.interpolate(ct.to(DEVICE).float()[None, None], size=MILLIMETRE, mode="trilinear")
        return windowed(out)[0, 0].half()
    return run, differ


@rival("upload", "torch, pinned memory")
def _(folder):
    import torch
    ct = torch.from_numpy(load(folder, "ct")).pin_memory()
    def run():
        there = ct.to(DEVICE, non_blocking=True)
        out = torch.nn.functional.interpolate(there.float()[None, None], size=MILLIMETRE, mode="trilinear")
        return windowed(out)[0, 0].half()
    return run, differ


# Tiles of 96 voxels that overlap by half, out of 192^3 and back.

STARTS = [(k, j, i) for k in (0, 48, 96) for j in (0, 48, 96) for i in (0, 48, 96)]


def tile(start):
    return tuple(slice(at, at + EDGE) for at in start)


@rival("gather", "torch stack")
def _(folder):
    torch, scene = torch_and(folder, "scene")
    return lambda: torch.stack([scene[tile(start)] for start in STARTS])[:, None], differ


@rival("gather", "torch unfold")
def _(folder):
    torch, scene = torch_and(folder, "scene")
    def run():
        tiles = scene.unfold(0, EDGE, 48).unfold(1, EDGE, 48).unfold(2, EDGE, 48)
        return tiles.reshape(-1, 1, EDGE, EDGE, EDGE)
    return run, differ


@rival("scatter", "torch, tile by tile")
def _(folder):
    torch, scene = torch_and(folder, "scene")
    tiles = [scene[tile(start)].clone() for start in STARTS]
    along = torch.exp(-0.5 * ((torch.arange(EDGE, device=DEVICE) - (EDGE - 1) / 2) / (EDGE / 8)) ** 2)
    weight = (along[:, None, None] * along[:, None] * along).clamp_min(1e-3)
    def run():
        total, weights = torch.zeros_like(scene), torch.zeros_like(scene)
        for start, values in zip(STARTS, tiles):
            total[tile(start)] += values * weight
            weights[tile(start)] += weight
        return total / weights
    return run, differ


@rival("scatter", "MONAI sliding window", needs="monai")
def _(folder):
    torch, scene = torch_and(folder, "scene")
    from monai.inferers import SlidingWindowInferer
    inferer = SlidingWindowInferer((EDGE,) * 3, sw_batch_size=27, overlap=0.5, mode="gaussian", cache_roi_weight_map=True)
    def run():
        with torch.inference_mode():
            return inferer(scene[None, None], lambda tiles: tiles)[0, 0]
    return run, differ


def timed(run):
    """What `run` finds, milliseconds between events on the stream, and by the clock."""
    import torch
    if importlib.util.find_spec("cupy"):
        import cupy
        cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream).use()
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start = time.perf_counter()
    before.record()
    found = run()
    after.record()
    torch.cuda.synchronize()
    return found, before.elapsed_time(after), 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    rivals.obey(CASES, timed)
