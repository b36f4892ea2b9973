"""What a researcher would call instead of Foci's kernels, and how far its results are from theirs.

    rivals.py FOLDER CASE RIVAL

reads the input that `cargo bench -p kernels --bench rivals -- serve FOLDER` wrote, and then obeys lines of standard
input: `run` answers with milliseconds (clock, processor), `compare` with one sentence about the last result beside
FOLDER/CASE.npy. compare.py asks it.
"""

import gc
import pathlib
import resource
import sys
import time

import numpy as np

THREADS = 2
SPACING = (0.7, 0.7, 1.25)  # i, j, k
MILLIMETRE = (375, 358, 358)  # k, j, i
LOW, HIGH = np.float32(-1000), np.float32(400)
CASES = {}


def rival(case, name, cases=CASES):
    """Registers a function from the folder to (what is timed, how it compares with Foci's result)."""
    def register(make):
        cases.setdefault(case, {})[name] = make
        return make
    return register


def load(folder, name):
    return np.load(folder / f"{name}.npy")


def torch_on_two_threads():
    import torch
    torch.set_num_threads(THREADS)
    return torch


def cv2_on_two_threads():
    import cv2
    cv2.setNumThreads(THREADS)
    return cv2


def sitk_on_two_threads():
    import SimpleITK
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    return SimpleITK


def differ(unit, border=0):
    """Says the mean and greatest difference, but for `border` voxels at the edges."""
    def compare(theirs, ours):
        if hasattr(theirs, "GetSpacing"):
            theirs = sitk_on_two_threads().GetArrayFromImage(theirs)
        theirs = np.asarray(theirs)
        if theirs.shape != ours.shape:
            return f"shape {theirs.shape} beside {ours.shape}"
        inner = tuple(slice(border, n - border) for n in ours.shape)
        off = np.abs(theirs[inner].astype(np.float32) - ours[inner])
        return f"mean {off.mean(dtype=np.float64):.2g}, greatest {off.max():.2g} {unit}".strip()
    return compare


# Onto 1 mm


def cv2_twice(cv2, volume, shape, kind, kept=None):
    """In the plane of each slice, then across the slices; into the two arrays of `kept` if there are any."""
    slices, rows, columns = shape
    flat, out = kept or (np.empty((len(volume), rows, columns), kind), np.empty(shape, kind))
    for k, image in enumerate(volume):
        flat[k] = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_LINEAR)
    for j in range(rows):
        out[:, j] = cv2.resize(flat[:, j], (columns, slices), interpolation=cv2.INTER_LINEAR)
    return out


@rival("trilinear", "cv2, two passes, int16")
def _(folder):
    cv2, ct = cv2_on_two_threads(), load(folder, "ct")
    return lambda: cv2_twice(cv2, ct, MILLIMETRE, np.int16), differ("HU")


@rival("trilinear", "cv2, two passes, float")
def _(folder):
    cv2, ct = cv2_on_two_threads(), load(folder, "ct")
    return lambda: cv2_twice(cv2, ct.astype(np.float32), MILLIMETRE, np.float32), differ("HU")


@rival("trilinear-kept", "cv2, two passes, int16")
def _(folder):
    cv2, ct = cv2_on_two_threads(), load(folder, "ct")
    kept = np.ones((len(ct), *MILLIMETRE[1:]), np.int16), np.ones(MILLIMETRE, np.int16)
    return lambda: cv2_twice(cv2, ct, MILLIMETRE, np.int16, kept), differ("HU")


@rival("trilinear", "torch interpolate")
def _(folder):
    torch = torch_on_two_threads()
    ct = torch.from_numpy(load(folder, "ct"))
    def run():
        return torch.nn.functional.interpolate(ct.float()[None, None], size=MILLIMETRE, mode="trilinear")[0, 0]
    return run, differ("HU")


def resampler(ct, interpolator):
    sitk = sitk_on_two_threads()
    image = sitk.GetImageFromArray(ct)
    resample = sitk.ResampleImageFilter()
    # Array edge on array edge, as the others have it.
    spacing = [n / m for n, m in zip(ct.shape[::-1], MILLIMETRE[::-1])]
    resample.SetOutputSpacing(spacing)
    resample.SetOutputOrigin([(s - 1) / 2 for s in spacing])
    resample.SetSize(MILLIMETRE[::-1])
    resample.SetOutputPixelType(sitk.sitkFloat32)
    resample.SetInterpolator(interpolator(sitk))
    resample.SetNumberOfThreads(THREADS)
    return lambda: resample.Execute(image)


@rival("trilinear", "SimpleITK linear")
def _(folder):
    # ITK gives the outermost half voxel a default value: hence the border.
    return resampler(load(folder, "ct"), lambda sitk: sitk.sitkLinear), differ("HU", border=2)


@rival("trilinear", "MONAI Spacing")
def _(folder):
    torch = torch_on_two_threads()
    from monai.data import MetaTensor
    from monai.transforms import Spacing
    ct = load(folder, "ct")
    image = torch.from_numpy(np.ascontiguousarray(ct.transpose(2, 1, 0)))[None].float()
    pixdim = [s * n / m for s, n, m in zip(SPACING, ct.shape[::-1], MILLIMETRE[::-1])]
    affine = torch.diag(torch.tensor(SPACING + (1.0,), dtype=torch.float64))
    onto = Spacing(pixdim, mode="bilinear", padding_mode="border", dtype=torch.float32)
    def run():
        return onto(MetaTensor(image, affine=affine))
    def compare(theirs, ours):
        theirs = np.asarray(theirs[0]).transpose(2, 1, 0)
        # Voxel centre on voxel centre: half an output voxel is another place.
        return f"shape {theirs.shape}; other places"
    return run, compare


@rival("cubic", "torch, three products of matrices")
def _(folder):
    torch = torch_on_two_threads()
    from scipy import ndimage
    ct = torch.from_numpy(load(folder, "ct"))
    def matrix(n, m):
        zoomed = ndimage.zoom(np.eye(n), (m / n, 1), order=3, mode="nearest", grid_mode=True)
        return torch.from_numpy(zoomed.astype(np.float32))
    def run():
        out = ct.float()
        for axis in (2, 1, 0):
            out = torch.tensordot(matrix(ct.shape[axis], MILLIMETRE[axis]), out, dims=([1], [axis])).movedim(0, axis)
        return out.contiguous()
    return run, differ("HU", border=16)


@rival("cubic", "SimpleITK B-spline")
def _(folder):
    return resampler(load(folder, "ct"), lambda sitk: sitk.sitkBSpline), differ("HU", border=16)


# Window, and the whole way into a network


def windowed(out):
    out -= LOW
    out *= np.float32(1) / (HIGH - LOW)
    return np.clip(out, 0, 1, out=out)


@rival("window", "numpy in place")
def _(folder):
    ct = load(folder, "ct")
    return lambda: windowed(ct.astype(np.float32)), differ("")


@rival("window-kept", "numpy")
def _(folder):
    ct = load(folder, "ct")
    kept = np.ones(ct.shape, np.float32)
    def run():
        np.subtract(ct, LOW, out=kept, dtype=np.float32)
        np.multiply(kept, np.float32(1) / (HIGH - LOW), out=kept)
        return np.clip(kept, 0, 1, out=kept)
    return run, differ("")


@rival("window-kept", "torch")
def _(folder):
    torch = torch_on_two_threads()
    ct = torch.from_numpy(load(folder, "ct"))
    kept = torch.ones(ct.shape)
    return lambda: torch.sub(ct, float(LOW), out=kept).mul_(1 / (HIGH - LOW)).clamp_(0, 1), differ("")


@rival("window", "torch")
def _(folder):
    torch = torch_on_two_threads()
    ct = torch.from_numpy(load(folder, "ct"))
    return lambda: ct.float().sub_(LOW).mul_(1 / (HIGH - LOW)).clamp_(0, 1), differ("")


@rival("window", "MONAI ScaleIntensityRange")
def _(folder):
    torch = torch_on_two_threads()
    from monai.transforms import ScaleIntensityRange
    ct = torch.from_numpy(load(folder, "ct"))[None]
    scale = ScaleIntensityRange(float(LOW), float(HIGH), 0.0, 1.0, clip=True)
    return lambda: scale(ct)[0], differ("")


def body(ct):
    mask = ct > -500
    box = []
    for axis in range(3):
        across = np.nonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))[0]
        box.append(slice(int(across[0]), int(across[-1]) + 1))
    return ct[tuple(box)]


def in_millimetres(cut):
    return tuple(int(round(n * s)) for n, s in zip(cut.shape, SPACING[::-1]))


@rival("chain", "cv2 and numpy")
def _(folder):
    cv2, ct = cv2_on_two_threads(), load(folder, "ct")
    def run():
        cut = body(ct)
        return windowed(cv2_twice(cv2, cut, in_millimetres(cut), np.float32))
    return run, differ("")


@rival("chain", "torch")
def _(folder):
    torch, ct = torch_on_two_threads(), load(folder, "ct")
    def run():
        cut = body(ct)
        out = torch.nn.functional.interpolate(
            torch.from_numpy(cut).float()[None, None], size=in_millimetres(cut), mode="trilinear")
        return out[0, 0].sub_(LOW).mul_(1 / (HIGH - LOW)).clamp_(0, 1)
    return run, differ("")


@rival("chain", "MONAI")
def _(folder):
    torch = torch_on_two_threads()
    import monai.transforms as transforms
    from monai.data import MetaTensor
    image = torch.from_numpy(np.ascontiguousarray(load(folder, "ct").transpose(2, 1, 0)))[None]
    affine = torch.diag(torch.tensor(SPACING + (1.0,), dtype=torch.float64))
    chain = transforms.Compose([
        transforms.ScaleIntensityRange(float(LOW), float(HIGH), 0.0, 1.0, clip=True),
        transforms.CropForeground(select_fn=lambda value: value > 0.357),
        transforms.Spacing((1.0, 1.0, 1.0), mode="bilinear", dtype=torch.float32)])
    # Voxel centre on voxel centre, and the window first: near, not equal.
    return lambda: chain(MetaTensor(image, affine=affine)), lambda theirs, ours: (
        f"shape {tuple(theirs.shape[:0:-1])} beside {ours.shape}; other places")


# Components and what is measured of them


def same_labels(theirs, ours):
    theirs, count = theirs
    if count != ours.max():
        return f"{count} components beside {ours.max()}"
    names = np.zeros(count + 1, theirs.dtype)
    names[ours.ravel()] = theirs.ravel()
    one_to_one = len(np.unique(names)) == count + 1 and np.array_equal(names[ours], theirs)
    return f"{count} components, {'the same' if one_to_one else 'DIFFERENT'}"


def cc3d_labels(mask):
    def make(folder):
        import cc3d
        voxels = load(folder, mask).view(np.uint8)
        return lambda: cc3d.connected_components(voxels, connectivity=26, return_N=True), same_labels
    return make


def scipy_labels(mask):
    def make(folder):
        from scipy import ndimage
        voxels, touching = load(folder, mask), np.ones((3, 3, 3))
        return lambda: ndimage.label(voxels, structure=touching), same_labels
    return make


for case, mask in (("labels-sparse", "sparse"), ("labels-busy", "busy"), ("labels-busy-volume", "busy")):
    rival(case, "cc3d")(cc3d_labels(mask))
rival("labels-busy", "scipy label")(scipy_labels("busy"))


def same_measures(theirs, ours):
    """Rows of volume, mean HU and longest diameter, in the order of the lesions' first voxels."""
    theirs = np.array(theirs)
    if theirs.shape != ours.shape:
        return f"{len(theirs)} lesions beside {len(ours)}"
    # Labels may come in another order.
    theirs, ours = theirs[np.lexsort(theirs.T[::-1])], ours[np.lexsort(ours.T[::-1])]
    off = np.abs(theirs - ours).max(axis=0)
    return f"greatest: volume {off[0]:.2g} mm3, mean {off[1]:.2g} HU, longest {off[2]:.2g} mm"


@rival("measure", "SimpleITK")
def _(folder):
    import cc3d
    sitk = sitk_on_two_threads()
    labels = cc3d.connected_components(load(folder, "lesions").view(np.uint8), connectivity=26)
    labels, ct = sitk.GetImageFromArray(labels.astype(np.uint32)), sitk.GetImageFromArray(load(folder, "ct"))
    labels.SetSpacing(SPACING)
    ct.SetSpacing(SPACING)
    # From the labels on: finding them is not counted here. Foci's time includes it.
    def run():
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.ComputeFeretDiameterOn()
        shape.Execute(labels)
        values = sitk.LabelStatisticsImageFilter()
        values.Execute(ct, labels)
        return [(shape.GetPhysicalSize(at), values.GetMean(at), shape.GetFeretDiameter(at)) for at in shape.GetLabels()]
    return run, same_measures


@rival("measure", "cc3d, numpy and scipy's hull")
def _(folder):
    import cc3d
    from scipy.spatial import ConvexHull, distance
    mask, ct = load(folder, "lesions").view(np.uint8), load(folder, "ct")
    def run():
        labels = cc3d.connected_components(mask, connectivity=26)
        rows = []
        for at, box in enumerate(cc3d.statistics(labels)["bounding_boxes"][1:], 1):
            inside = labels[box] == at
            k, j, i = np.nonzero(inside)
            points = np.stack([i * SPACING[0], j * SPACING[1], k * SPACING[2]], 1)
            outer = points[ConvexHull(points).vertices]
            rows.append((len(k) * np.prod(SPACING), ct[box][inside].mean(), distance.pdist(outer).max()))
        return rows
    return run, same_measures


# Boxes and tiles


def same_boxes(theirs, ours):
    theirs, ours = set(np.asarray(theirs).tolist()), set(ours[:, 0].astype(int).tolist())
    return f"{len(ours)} kept, {len(theirs ^ ours)} of them differ"


@rival("nms", "torch loop")
def _(folder):
    torch = torch_on_two_threads()
    boxes = torch.from_numpy(load(folder, "boxes"))
    def run():
        order = boxes[:, 6].argsort(descending=True)
        low, high = boxes[order, :3], boxes[order, 3:6]
        volume = (high - low).prod(1)
        keep = torch.ones(len(order), dtype=torch.bool)
        for at in range(len(order)):
            if keep[at]:
                shared = torch.minimum(high[at], high[at + 1:]) - torch.maximum(low[at], low[at + 1:])
                shared = shared.clamp_(0).prod(1)
                keep[at + 1:] &= shared / (volume[at] + volume[at + 1:] - shared) <= 0.22
        return order[keep]
    return run, same_boxes


@rival("nms", "MONAI")
def _(folder):
    torch = torch_on_two_threads()
    from monai.data.box_utils import non_max_suppression
    boxes = torch.from_numpy(load(folder, "boxes"))
    return lambda: non_max_suppression(boxes[:, :6], boxes[:, 6], 0.22), same_boxes


@rival("blend", "torch, as MONAI does it")
def _(folder):
    torch = torch_on_two_threads()
    scene = torch.from_numpy(load(folder, "scene"))
    places = [tuple(slice(at, at + 96) for at in (k, j, i)) for k in (0, 48, 96) for j in (0, 48, 96) for i in (0, 48, 96)]
    tiles = [scene[place].clone() for place in places]
    along = torch.exp(-0.5 * ((torch.arange(96) - 47.5) / 12) ** 2)
    weight = (along[:, None, None] * along[:, None] * along).clamp_min(1e-3)
    def run():
        total, weights = torch.zeros_like(scene), torch.zeros_like(scene)
        for place, values in zip(places, tiles):
            total[place] += values * weight
            weights[place] += weight
        return total / weights
    return run, differ("HU")


@rival("slide", "MONAI sliding window")
def _(folder):
    torch = torch_on_two_threads()
    from monai.inferers import SlidingWindowInferer
    scene = torch.from_numpy(load(folder, "scene"))[None, None]
    inferer = SlidingWindowInferer((96, 96, 96), sw_batch_size=4, overlap=0.5, mode="gaussian", cache_roi_weight_map=True)
    def run():
        with torch.inference_mode():
            return inferer(scene, lambda tiles: tiles)[0, 0]
    return run, differ("HU")


def timed(run):
    """What `run` finds, milliseconds by the clock, and of all threads' work."""
    worked = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    found = run()
    ms = 1e3 * (time.perf_counter() - start)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return found, ms, 1e3 * (after.ru_utime - worked.ru_utime + after.ru_stime - worked.ru_stime)


def obey(cases, timed):
    folder, case, name = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    run, compare = cases[case][name](folder)
    print("ready", flush=True)
    found = None
    for line in sys.stdin:
        if line.strip() == "run":
            found = None
            gc.collect()
            found, *times = timed(run)
            print(*times, flush=True)
        else:
            print(compare(found, load(folder, case)), flush=True)


if __name__ == "__main__":
    obey(CASES, timed)
