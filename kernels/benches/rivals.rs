//! The cases that other people's libraries do as well, on the very same input: `kernels/peers/run.sh` runs both
//! sides in turn and compares what they find, `cargo bench -p kernels --bench rivals` this side alone. Milliseconds
//! by the clock, and of all threads' work.

#[path = "common/mod.rs"]
mod common;

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use common::input::{Input, MILLIMETRE, fitting};
use common::made::{SPACING_MM, worked_ms};
use common::{Case, Found};
use kernels::blend::{Blend, TileAt, starts};
use kernels::components::{Components, components};
use kernels::measure::measure;
use kernels::nms::{Scored, nms};
use kernels::resample::{Intensity, Interpolation, Part, Sampling, Values, resample};
use kernels::tiles::{empty_batch, gather_into};
use kernels::{Device, Error, Neighbours, spline};
use ndarray::{Array2, Array3, Array5, s};
use rayon::prelude::*;

const WINDOW: Intensity = Intensity { low_hu: -1000.0, high_hu: 400.0, low: 0.0, high: 1.0, outside: 0.0 };
const CPU: &Device = &Device::Cpu;

fn main() -> Result<(), Error> {
    let input = Input::new();
    let place = format!("{} threads", rayon::current_num_threads());
    common::run(cases(&input), &input, &place, |case| {
        let (start, worked) = (Instant::now(), worked_ms());
        case.found = (case.run)()?;
        Ok((start.elapsed().as_secs_f64() * 1e3, worked_ms() - worked))
    })
}

fn cases(input: &Input) -> Vec<Case<'_>> {
    let Input { ct, sparse, busy, lesions, boxes, scene } = input;
    let shape: [usize; 3] = ct.dim().into();
    let millimetre = fitting(shape, MILLIMETRE);
    let (voxels, millimetres) = (ct.len(), MILLIMETRE.iter().product::<usize>());
    let (from, mut to) = (vec![1.0_f32; 1 << 26], vec![0.0_f32; 1 << 26]);
    let scored: Vec<Scored> = boxes
        .outer_iter()
        .map(|row| Scored { low: [row[0], row[1], row[2]], high: [row[3], row[4], row[5]], score: row[6] })
        .collect();
    let along = starts(192, 96, 0.5);
    let starts: Vec<[usize; 3]> = (0..27).map(|at| [at / 9, at / 3 % 3, at % 3].map(|n| along[n])).collect();
    let again = starts.clone();
    let tiles: Vec<Array3<f32>> =
        starts.iter().map(|&[k, j, i]| scene.slice(s![k..k + 96, j..j + 96, i..i + 96]).to_owned()).collect();
    vec![
        Case::new("copy", 2 << 28, move || {
            let chunks = to.par_chunks_mut(1 << 20).zip(from.par_chunks(1 << 20));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&mut to);
            Ok(Found::Nothing)
        }),
        Case::new("trilinear", 2 * voxels + 4 * millimetres, move || {
            let values = Intensity::unchanged(0.0);
            resample(CPU, ct.view(), MILLIMETRE, &millimetre, values).map(Found::Volume)
        }),
        Case::new("chain", 2 * voxels, move || {
            let (start, size) = body(ct);
            let to = [0, 1, 2].map(|axis| (size[axis] as f64 * SPACING_MM[2 - axis]).round() as usize);
            let mut map = fitting(size, to);
            for axis in 0..3 {
                map[axis][3] += start[2 - axis] as f64;
            }
            resample(CPU, ct.view(), to, &map, WINDOW).map(Found::Volume)
        }),
        Case::new("trilinear-kept", 2 * voxels + 4 * millimetres, {
            let values = Values::unchanged(0.0);
            let interpolation = Interpolation::Linear;
            kept(ct, Sampling { shape: MILLIMETRE, map: millimetre, interpolation, values })
        }),
        Case::new("window-kept", 6 * voxels, {
            let interpolation = Interpolation::Linear;
            kept(ct, Sampling { shape, map: fitting(shape, shape), interpolation, values: WINDOW.into() })
        }),
        Case::new("cubic", 2 * voxels + 4 * millimetres, move || {
            let values = Intensity::unchanged(0.0);
            spline::resample(CPU, ct.view(), MILLIMETRE, &millimetre, values.into()).map(Found::Volume)
        }),
        Case::new("window", 6 * voxels, move || {
            let same = fitting(shape, shape);
            resample(CPU, ct.view(), shape, &same, WINDOW).map(Found::Volume)
        }),
        Case::new("labels-sparse", voxels, move || {
            components(CPU, sparse.view(), Neighbours::TwentySix).map(labels)
        }),
        Case::new("labels-busy", voxels, move || {
            components(CPU, busy.view(), Neighbours::TwentySix).map(labels)
        }),
        Case::new("labels-busy-volume", 5 * voxels, move || {
            components(CPU, busy.view(), Neighbours::TwentySix)?.labels().map(Found::Labels)
        }),
        Case::new("measure", voxels, move || measured(lesions, ct).map(Found::Table)),
        Case::new("nms", 28 * boxes.nrows(), move || {
            let kept = nms(CPU, &scored, 0.22)?;
            Ok(Found::Table(Array2::from_shape_fn((kept.len(), 1), |(at, _)| kept[at] as f64)))
        }),
        Case::new("blend", 4 * (scene.len() + 27 * 96 * 96 * 96), move || {
            let tiles: Vec<_> = tiles.iter().map(|tile| tile.view()).zip(starts.iter().copied()).collect();
            Blend::new(CPU, [192; 3])?.finish_with(&tiles).map(Found::Volume)
        }),
        Case::new("slide", 8 * (scene.len() + 27 * 96 * 96 * 96), move || {
            let mut blend = Blend::new(CPU, [192; 3])?;
            // As many at a time as the rival takes; the network gives back what it is given.
            let mut batch = empty_batch(4, [96; 3])?;
            for starts in again[..24].chunks(4) {
                let tiles = gathered(scene, starts, &mut batch)?;
                blend.add_all(&tiles)?;
            }
            blend.finish_with(&gathered(scene, &again[24..], &mut batch)?).map(Found::Volume)
        }),
    ]
}

/// Onto memory that was used before, as where buffers are kept: the system's clearing of new pages is left out.
fn kept(ct: &Array3<i16>, sampling: Sampling) -> impl FnMut() -> Result<Found, Error> {
    let memory = Rc::new(RefCell::new(Array3::<f32>::zeros(sampling.shape)));
    memory.borrow_mut().fill(1.0);
    move || {
        let slices = 0..sampling.shape[0];
        sampling.slab(CPU, &Part::from(ct.view()), slices, memory.borrow_mut().view_mut())?;
        let memory = memory.clone();
        Ok(Found::Later(Box::new(move || Ok(Found::Volume(memory.borrow().clone())))))
    }
}

/// Tiles of 96^3 as the first ones of a batch, and where they start.
fn gathered<'a>(
    scene: &Array3<f32>,
    starts: &[[usize; 3]],
    batch: &'a mut Array5<f32>,
) -> Result<Vec<TileAt<'a>>, Error> {
    let signed: Vec<[isize; 3]> = starts.iter().map(|at| at.map(|n| n as isize)).collect();
    let mut tiles = batch.slice_mut(s![..starts.len(), .., .., .., ..]);
    gather_into(CPU, scene.view(), &signed, 0.0, tiles.view_mut())?;
    let tiles = batch.slice(s![..starts.len(), 0, .., .., ..]);
    Ok(tiles.into_outer_iter().zip(starts.iter().copied()).collect())
}

/// The runs of the components are what was asked for; a volume of labels is made only when it is written.
fn labels(found: Components) -> Found {
    Found::Later(Box::new(move || found.labels().map(Found::Labels)))
}

/// Start and size of the box of all voxels above -500 HU.
fn body(ct: &Array3<i16>) -> ([usize; 3], [usize; 3]) {
    let (rows, columns) = (ct.dim().1, ct.dim().2);
    let none = ([usize::MAX; 3], [0; 3]);
    let slices = ct.as_slice().expect("made in standard layout").par_chunks(rows * columns).enumerate();
    let (start, end) = slices
        .map(|(k, slice)| {
            let mut found = none;
            for (j, row) in slice.chunks(columns).enumerate() {
                let inside = |part: &&[i16]| part.iter().fold(false, |any, &hu| any | (hu > -500));
                let Some(first) = row.chunks(64).position(|part| inside(&part)) else { continue };
                let last = row.chunks(64).rposition(|part| inside(&part)).expect("there is a first");
                let first = (64 * first..).find(|&i| row[i] > -500).expect("in that part");
                let last = (0..columns.min(64 * last + 64)).rfind(|&i| row[i] > -500).expect("in that part");
                found = wider(found, ([k, j, first], [k + 1, j + 1, last + 1]));
            }
            found
        })
        .reduce(|| none, wider);
    (start, [0, 1, 2].map(|axis| end[axis] - start[axis]))
}

type Corners = ([usize; 3], [usize; 3]);

fn wider(a: Corners, b: Corners) -> Corners {
    ([0, 1, 2].map(|axis| a.0[axis].min(b.0[axis])), [0, 1, 2].map(|axis| a.1[axis].max(b.1[axis])))
}

/// For each lesion its volume in mm^3, mean HU, and longest diameter in mm; and all else that is measured.
fn measured(lesions: &Array3<bool>, ct: &Array3<i16>) -> Result<Array2<f64>, Error> {
    let found = components(CPU, lesions.view(), Neighbours::TwentySix)?;
    let measures = measure(&found, ct.view(), SPACING_MM, |_| true);
    let rows = measures.iter().map(|it| [it.volume_mm3, it.values.mean, it.diameter.length_mm]);
    Ok(Array2::from(rows.collect::<Vec<_>>()))
}
