"""The main job as a lean researcher would write it, with the same networks: a CT series in, SR and SEG out.

    python e2e.py SERIES OUT --weights FOLDER

SimpleITK reads and resamples, OpenVINO runs the networks in f32, scipy and cc3d make masks and components,
SimpleITK measures, highdicom writes. Spacing, window, tiles and thresholds are read from the cards beside the
engine's models, and an ONNX file is used only if its SHA-256 is the one on the card. Where two ways were at hand
the faster one was taken. Less is done than `foci analyze` does: no RECIST axes, no key images, no narrative, no
check of the series' geometry.

Prints one JSON line: seconds for each stage, what was found. The series must be axial, rows to the left, columns
to the back, as those of `foci phantom` and most CTs are.
"""
import os

THREADS = 2
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"):
    os.environ[name] = str(THREADS)

import argparse
import hashlib
import json
import sys
import time
import tomllib
from pathlib import Path

import cc3d
import highdicom as hd
import numpy as np
import openvino as ov
import pydicom
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from scipy import ndimage as ndi

CARDS = Path(__file__).resolve().parents[2] / "models"
AIR = -1000


class Clock:
    """Seconds since the last call, by stage; stages of the same name add up."""

    def __init__(self):
        self.stages, self.last = {}, time.perf_counter()

    def __call__(self, stage):
        now = time.perf_counter()
        self.stages[stage] = self.stages.get(stage, 0.0) + now - self.last
        self.last = now


class Network:
    """A network by its card: `run` takes one tile and gives the card's outputs."""

    def __init__(self, name, weights, clock):
        self.card = tomllib.loads((CARDS / name / "card.toml").read_text())
        self.clock, self.tiles = clock, 0
        wanted = self.card["weights"]["sha256"]
        files = [*(CARDS / name).glob("*.onnx"), *sorted(weights.rglob("*.onnx"))]
        self.file = next((f for f in files if hashlib.sha256(f.read_bytes()).hexdigest() == wanted), None)
        if self.file is None:
            sys.exit(f"the weights of {name} ({wanted[:12]}..) are not in the weights folder: run `foci models --fetch`")

    def compile(self, shape):
        core = ov.Core()
        model = core.read_model(self.file)
        model.reshape([1, 1, *shape])
        hints = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", hints).create_infer_request()
        self.clock("compile")

    def run(self, tile, outputs):
        self.tiles += 1
        found = self.request.infer({0: np.ascontiguousarray(tile, np.float32)[None, None]})
        return [np.array(found[name][0, 0]) for name in outputs]

    def done(self):
        """Frees the compiled graph and its buffers."""
        self.request = None
        self.clock("inference")


def windowed(hu, card):
    w = card["input"]["window"]
    x = np.clip(hu, w["low_hu"], w["high_hu"], dtype=np.float32)
    x -= w["low_hu"]
    x *= (w["high"] - w["low"]) / (w["high_hu"] - w["low_hu"])
    x += w["low"]
    return x


def tile_shape(tiles, shape):
    """The shape of the tiles for a tensor of `shape`, and their border."""
    border = tiles["join"].get("border", [0, 0, 0])
    rest = tiles.get("remainder", [0, 0, 0])
    least = [-(-(n + 2 * b - r) // m) * m + r for n, b, m, r in zip(shape, border, tiles["multiple"], rest)]
    shrunk = [min(a, b) for a, b in zip(tiles["shape"], least)]
    return (shrunk if tiles.get("shrink") else tiles["shape"]), border


def over_tiles(network, tensor, wanted, starts, tile, border, outputs):
    """Runs every tile whose part holds a wanted voxel: yields where the part begins and the outputs."""
    high = [max(0, s[-1] + t - b - n) for s, t, b, n in zip(starts, tile, border, tensor.shape)]
    padded = np.pad(tensor, list(zip(border, high)), constant_values=network.card["input"]["outside_image"])
    network.compile(tile)
    for at in np.ndindex(*map(len, starts)):
        start = [s[i] for s, i in zip(starts, at)]
        part = tuple(slice(a, a + t - 2 * b) for a, t, b in zip(start, tile, border))
        if wanted is None or wanted[part].any():
            cut = tuple(slice(a, a + t) for a, t in zip(start, tile))
            yield start, network.run(padded[cut], outputs)


def stitched(network, tensor, wanted=None):
    """Tiles side by side, each giving its middle."""
    tile, border = tile_shape(network.card["tiles"], tensor.shape)
    starts = [list(range(0, n, t - 2 * b)) for n, t, b in zip(tensor.shape, tile, border)]
    out = np.zeros(tensor.shape, np.float32)
    for start, (prob,) in over_tiles(network, tensor, wanted, starts, tile, border, [network.card["head"]["output"]]):
        place = out[tuple(slice(a, None) for a in start)]
        inside = tuple(slice(0, min(p, q)) for p, q in zip(place.shape, prob.shape))
        place[inside[0], inside[1], inside[2]][...] = prob[inside]
    network.done()
    return out


def blended(network, tensor, wanted, outputs):
    """Overlapping tiles, weighted by a Gaussian; `outputs` are names and strides."""
    tiles = network.card["tiles"]
    tile, border = tile_shape(tiles, tensor.shape)
    starts = []
    for n, t, m in zip(tensor.shape, tile, tiles["multiple"]):
        last, step = max(0, -(-n // m) * m - t), max(m, int(t // m * (1 - tiles["join"]["overlap"])) * m)
        starts.append([*range(0, last, step), last])
    sums, weights = [], []
    for _, stride in outputs:
        shape = [(s[-1] + t) // stride for s, t in zip(starts, tile)]
        sums.append(np.zeros(shape, np.float32))
        along = [np.exp(-0.5 * ((np.arange(t // stride) - (t // stride - 1) / 2) / (t / stride / 8)) ** 2) for t in tile]
        bell = along[0][:, None, None] * along[1][:, None] * along[2]
        weights.append((np.full(shape, 1e-9, np.float32), np.maximum(bell, 1e-3).astype(np.float32)))
    for start, found in over_tiles(network, tensor, wanted, starts, tile, border, [name for name, _ in outputs]):
        for (_, stride), total, (weight, bell), part in zip(outputs, sums, weights, found):
            place = tuple(slice(a // stride, a // stride + p) for a, p in zip(start, part.shape))
            total[place] += part * bell
            weight[place] += bell
    out = [total / weight for total, (weight, _) in zip(sums, weights)]
    network.done()
    return out


def resampled(image, spacing, box=None, fill=AIR):
    """`image` linearly at `spacing` (L, P, S) within `box` (two LPS corners), or whole."""
    low = np.array(image.GetOrigin() if box is None else box[0])
    last = image.TransformIndexToPhysicalPoint([n - 1 for n in image.GetSize()])
    high = np.array(last if box is None else box[1])
    size = [int(n) for n in np.floor((high - low) / spacing) + 1]
    return sitk.Resample(image, size, sitk.Transform(), sitk.sitkLinear, low.tolist(), spacing, image.GetDirection(), fill)


def box_of(mask):
    """Slices around the set voxels of a mask."""
    return tuple(slice(int(i[0]), int(i[-1]) + 1) for i in (np.nonzero(mask.any(axis=a))[0] for a in ((1, 2), (0, 2), (0, 1))))


def image_like(array, grid, box=None):
    """`array` as an image on the grid of the image `grid`, from the corner of `box`."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.GetSpacing())
    image.SetDirection(grid.GetDirection())
    corner = [0, 0, 0] if box is None else [s.start for s in reversed(box)]
    image.SetOrigin(grid.TransformIndexToPhysicalPoint(corner))
    return image


def to_source(labels, grid, box, source):
    """A label map on `box` of `grid`, nearest neighbour on the source grid."""
    out = np.zeros(source.GetSize()[::-1], np.uint8)
    if not labels.any():
        return out
    used = box_of(labels > 0)
    image = image_like(labels, grid, box)
    ends = [[s.start - 1 for s in reversed(used)], [s.stop for s in reversed(used)]]
    ends = [source.TransformPhysicalPointToContinuousIndex(image.TransformContinuousIndexToPhysicalPoint(e)) for e in ends]
    low = [max(0, int(a)) for a in ends[0]]
    high = [min(n, int(b) + 2) for b, n in zip(ends[1], source.GetSize())]
    part = source[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    fine = sitk.Resample(image, part, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    out[low[2] : high[2], low[1] : high[1], low[0] : high[0]] = sitk.GetArrayViewFromImage(fine)
    return out


def lungs(hu):
    """Air inside the body, vessels and nodules closed over, on a 1.5 mm grid."""
    parts = cc3d.connected_components(hu < -400, connectivity=6)
    voxels = np.bincount(parts.ravel())
    outside = np.unique(np.concatenate([parts[:, [0, -1]].ravel(), parts[:, :, [0, -1]].ravel()]))
    keep = voxels * 1.5**3 >= 150e3
    keep[0] = False
    keep[outside] = False
    coarse = np.pad(keep[parts[::2, ::2, ::2]], 5)
    closed = ndi.binary_closing(coarse, ndi.generate_binary_structure(3, 1), iterations=4)[5:-5, 5:-5, 5:-5]
    return closed.repeat(2, 0).repeat(2, 1).repeat(2, 2)[tuple(map(slice, hu.shape))]


def nodules(source, network, clock):
    """A label map of nodules on the source grid, and their scores."""
    head, spacing = network.card["head"], network.card["input"]["spacing_mm"]
    iso = resampled(source, spacing)
    hu = sitk.GetArrayViewFromImage(iso)
    clock("resample")
    lung = lungs(hu)
    if not lung.any():
        clock("lung mask")
        return None, []
    box = box_of(lung)
    lung = lung[box]
    clock("lung mask")
    x = windowed(hu[box], network.card)
    clock("resample")
    outputs = [(head["heat"], head["stride"]), (head["log_diameter"], head["stride"]), (head["mask"], 1)]
    heat, _, mask = blended(network, x, lung, outputs)

    n = head["stride"]
    allowed = lung[::n, ::n, ::n]
    heat = heat[tuple(map(slice, allowed.shape))] * allowed
    peaks = (heat == ndi.maximum_filter(heat, head["peak_cells"])) & (heat >= head["threshold"])
    mask = mask[tuple(map(slice, x.shape))]
    parts = cc3d.connected_components(mask > head["mask_threshold"], connectivity=6)
    labels, scores = np.zeros(x.shape, np.uint8), []
    for at in sorted(map(tuple, np.argwhere(peaks)), key=lambda at: -heat[at]):
        near = parts[tuple(slice(max(0, n * a - 1), n * a + 3) for a in at)]
        part = near[near > 0]
        if part.size and not labels[parts == part[0]].any():
            scores.append(float(heat[at]))
            labels[parts == part[0]] = len(scores)
    clock("post")
    found = to_source(labels, iso, box, source)
    clock("to source grid")
    return found, scores


def liver(source, network, clock):
    """The liver on a 3 mm grid: mask, grid; `None` where there is none."""
    card = network.card
    fine_mm, mm = card["input"]["median"]["spacing_mm"], card["input"]["spacing_mm"][0]
    step = round(mm / fine_mm)
    coarse = sitk.GetArrayViewFromImage(source)[::2, ::4, ::4] > -150
    parts = cc3d.connected_components(ndi.binary_opening(coarse), connectivity=6)
    _, rows, columns = box_of(parts == np.bincount(parts.ravel())[1:].argmax() + 1)
    low = source.TransformIndexToPhysicalPoint([columns.start * 4, rows.start * 4, 0])
    high = source.TransformIndexToPhysicalPoint([columns.stop * 4 - 1, rows.stop * 4 - 1, source.GetSize()[2] - 1])
    fine = resampled(source, [fine_mm] * 3, (low, high))
    clock("resample")
    grid = sitk.Median(fine, [card["input"]["median"]["size"] // 2] * 3)[::step, ::step, ::step]
    clock("median")
    x = windowed(sitk.GetArrayViewFromImage(grid).transpose(2, 1, 0)[::-1, ::-1], card)
    clock("resample")
    mask = stitched(network, x) > card["head"]["threshold"]
    ball = ndi.generate_binary_structure(3, 2)
    parts = cc3d.connected_components(ndi.binary_erosion(mask, ball), connectivity=6)
    if not parts.any():
        clock("post")
        return None, grid
    mask = ndi.binary_dilation(parts == np.bincount(parts.ravel())[1:].argmax() + 1, ball)
    clock("post")
    return np.ascontiguousarray(mask[::-1, ::-1].transpose(2, 1, 0)), grid


def liver_lesions(source, organ, organ_grid, network, clock):
    """A label map of liver lesions on the source grid, and their scores."""
    card, head = network.card, network.card["head"]
    box = box_of(organ)
    low = organ_grid.TransformIndexToPhysicalPoint([s.start - 3 for s in reversed(box)])
    high = organ_grid.TransformIndexToPhysicalPoint([s.stop + 2 for s in reversed(box)])
    grid = resampled(source, card["input"]["spacing_mm"], (low, high))
    mask = image_like(organ.astype(np.float32), organ_grid)
    inside = sitk.GetArrayFromImage(sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkLinear, 0.0)) > 0.5
    inside = ndi.binary_dilation(inside, ndi.generate_binary_structure(3, 2), head["region"]["dilate_voxels"])
    cut = box_of(inside)
    inside = inside[cut]
    x = windowed(sitk.GetArrayViewFromImage(grid)[cut], card)
    x[~inside] = card["input"]["outside_region"]
    clock("resample")
    ras = stitched(network, x.transpose(2, 1, 0)[::-1, ::-1], inside.transpose(2, 1, 0)[::-1, ::-1])
    prob = ras[::-1, ::-1].transpose(2, 1, 0)
    parts = cc3d.connected_components((prob > head["threshold"]) & inside, connectivity=26)
    stats = cc3d.statistics(parts)
    least = head["minimum_ml"] * 1000 / np.prod(card["input"]["spacing_mm"])
    labels, scores = np.zeros(parts.shape, np.uint8), []
    for part in range(1, len(stats["voxel_counts"])):
        if stats["voxel_counts"][part] >= least:
            here = stats["bounding_boxes"][part]
            lesion = parts[here] == part
            scores.append(float(prob[here][lesion].max()))
            labels[here][lesion] = len(scores)
    clock("post")
    found = to_source(labels, grid, cut, source)
    clock("to source grid")
    return found, scores


def measures(source, labels, findings):
    """Centre, volume, longest diameter and HU statistics of each finding, on the source grid."""
    for found in findings:
        low, high = found["box"]
        size = [b - a for a, b in zip(low, high)]
        image = sitk.RegionOfInterest(source, size, low)
        lesion = sitk.GetImageFromArray((labels[tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1]))] == found["label"]).astype(np.uint8))
        lesion.CopyInformation(image)
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.ComputeFeretDiameterOn()
        shape.Execute(lesion)
        values = sitk.LabelStatisticsImageFilter()
        values.Execute(image, lesion)
        found.update(
            centre_lps_mm=[round(v, 2) for v in shape.GetCentroid(1)],
            volume_mm3=shape.GetPhysicalSize(1),
            max_diameter_3d_mm=shape.GetFeretDiameter(1),
            mean_hu=values.GetMean(1),
            min_hu=values.GetMinimum(1),
            max_hu=values.GetMaximum(1),
            sd_hu=values.GetSigma(1),
        )


NODULE = dict(name="lung nodule", kind=codes.SCT.Nodule, site=codes.SCT.Lung)
LESION = dict(name="liver lesion", kind=codes.SCT.Lesion, site=codes.SCT.Liver)


def objects(files, labels, findings, out):
    """Writes seg.dcm and sr.dcm; nothing if nothing was found, for highdicom has no report without a measurement."""
    if not findings:
        return
    used = np.nonzero(labels.any(axis=(1, 2)))[0]
    images = [pydicom.dcmread(files[k], stop_before_pixels=True) for k in used]
    made_by = dict(manufacturer="peer", series_instance_uid=hd.UID(), sop_instance_uid=hd.UID(), instance_number=1)
    algorithm = hd.AlgorithmIdentificationSequence(name="peer", version="1", family=codes.DCM.ArtificialIntelligence)
    segments = [
        hd.seg.SegmentDescription(
            segment_number=found["label"],
            segment_label=f"{found['name']} {found['label']}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=found["kind"],
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for found in findings
    ]
    seg = hd.seg.Segmentation(
        source_images=images,
        pixel_array=labels[used],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_number=100,
        manufacturer_model_name="peer",
        software_versions="1",
        device_serial_number="1",
        **made_by,
    )
    seg.save_as(out / "seg.dcm")
    groups = []
    series = hd.sr.SourceSeriesForSegmentation(images[0].SeriesInstanceUID)
    units = codes.UCUM
    for found in findings:
        values = [
            hd.sr.Measurement(name=codes.SCT.Volume, value=found["volume_mm3"], unit=units.CubicMillimeter),
            hd.sr.Measurement(name=codes.SCT.Diameter, value=found["max_diameter_3d_mm"], unit=units.Millimeter),
            hd.sr.Measurement(name=codes.SCT.Mean, value=found["mean_hu"], unit=units.HounsfieldUnit),
        ]
        groups.append(
            hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                referenced_segment=hd.sr.ReferencedSegment(
                    sop_class_uid=seg.SOPClassUID,
                    sop_instance_uid=seg.SOPInstanceUID,
                    segment_number=found["label"],
                    source_series=series,
                ),
                tracking_identifier=hd.sr.TrackingIdentifier(
                    uid=hd.UID(), identifier=f"{found['name']} {found['label']}"
                ),
                finding_type=found["kind"],
                finding_sites=[hd.sr.FindingSite(anatomic_location=found["site"])],
                measurements=values,
            )
        )
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID()),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
    )
    made_by.update(series_instance_uid=hd.UID(), sop_instance_uid=hd.UID())
    sr = hd.sr.Comprehensive3DSR(evidence=[seg, *images], content=report, series_number=101, **made_by)
    sr.save_as(out / "sr.dcm")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("series", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--weights", type=Path, required=True, help="folder with the ONNX files (Foci's cache)")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    clock = Clock()

    reader = sitk.ImageSeriesReader()
    files = reader.GetGDCMSeriesFileNames(str(given.series))
    reader.SetFileNames(files)
    source = reader.Execute()
    if source.GetDirection() != (1, 0, 0, 0, 1, 0, 0, 0, 1):
        sys.exit("only axial series")
    clock("read")

    networks = {name: Network(name, given.weights, clock) for name in ("lung-nodule", "liver", "liver-lesion")}
    labels, scores = nodules(source, networks["lung-nodule"], clock)
    findings = [dict(NODULE, score=score) for score in scores]
    organ, grid = liver(source, networks["liver"], clock)
    if organ is not None:
        more, scores = liver_lesions(source, organ, grid, networks["liver-lesion"], clock)
        number = len(findings)
        labels = more if labels is None else np.where(more > 0, more + np.uint8(number), labels)
        findings += [dict(LESION, score=score) for score in scores]
    if labels is None:
        labels = np.zeros(source.GetSize()[::-1], np.uint8)
    for label, box in enumerate(ndi.find_objects(labels, len(findings)), 1):
        corners = box and ([s.start for s in reversed(box)], [s.stop for s in reversed(box)])
        findings[label - 1].update(label=label, box=corners)
    findings = [found for found in findings if found["box"]]
    measures(source, labels, findings)
    clock("measure")
    objects(files, labels, findings, given.out)
    for found in findings:
        found.pop("kind"), found.pop("site")
    (given.out / "findings.json").write_text(json.dumps(findings, indent=1))
    clock("write")
    stages = {name: round(seconds, 3) for name, seconds in clock.stages.items()}
    tiles = {name: network.tiles for name, network in networks.items()}
    print(json.dumps({"stages": stages, "tiles": tiles, "findings": len(findings)}))


main()
