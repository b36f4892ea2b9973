//! Masks, tiles and pictures.

use kernels::bits::Bits;
use kernels::blend::{Blend, starts};
use kernels::decide::strongest;
use kernels::mask::Cells;
use kernels::render::{Slab, Through, picture};
use kernels::tiles::gather;
use kernels::{Error, Neighbours};
use ndarray::Array3;

use crate::{Bench, CPU};

pub(super) fn run(bench: &Bench, ct: &Array3<i16>) -> Result<(), Error> {
    masks(bench, ct)?;
    tiles(bench)
}

fn masks(bench: &Bench, ct: &Array3<i16>) -> Result<(), Error> {
    let mut sum = 0_i64;
    bench.time("read 512x512x300 i16 once", || {
        use rayon::prelude::*;
        let all = ct.as_slice().expect("made in standard layout");
        sum +=
            all.par_chunks(1 << 20).map(|part| part.iter().map(|&v| i64::from(v)).sum::<i64>()).sum::<i64>();
        Ok(sum)
    })?;
    bench.time("cells of 2x4x4, 512x512x300 i16", || Cells::of(CPU, ct.view(), [2, 4, 4]))?;
    bench.time("body, candidates in cells of 2x4x4", || {
        Cells::of(CPU, ct.view(), [2, 4, 4])?.body(-300, 100_000)
    })?;
    bench.time("body and lungs, candidates in cells of 2x4x4", || {
        let cells = Cells::of(CPU, ct.view(), [2, 4, 4])?;
        Ok((cells.body(-300, 100_000)?, cells.lungs(-300, 100_000)?.dilated([0.7, 0.7, 1.0], 12.0)?))
    })?;
    bench.time("threshold 512x512x300 i16 into bits", || Bits::above(CPU, ct.view(), -300))?;
    let body = Bits::above(CPU, ct.view(), -300)?;
    let mask = body.to_mask()?;
    bench.time("pack 512x512x300", || Bits::of(mask.view()))?;
    bench.time("unpack 512x512x300", || body.to_mask())?;
    bench.time("fill 512x512x300 bits", || body.clone().filled(CPU))?;
    bench.time("fill 512x512x300 bits by slice", || body.clone().filled_by_slice(CPU))?;
    for neighbours in [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix] {
        bench.time(&format!("open once 512x512x300 bits, {neighbours:?}"), || {
            body.clone().opened(CPU, neighbours, 1)
        })?;
    }
    let lung = body.clone().inverted();
    bench.time("close by a ball of 7 voxels, 512x512x300 bits", || {
        lung.clone().closed_by_ball(CPU, [1.0; 3], 7.0)
    })?;
    let small = Array3::from_shape_fn((300, 358, 358), |(k, j, i)| mask[[k, j * 10 / 7, i * 10 / 7]]);
    let back = [[0.7, 0.0, 0.0, -0.1], [0.0, 0.7, 0.0, -0.1], [0.0, 0.0, 1.0, 0.0]];
    bench.time("resample mask 358x358x300 to 512x512x300 bits", || {
        Bits::resampled(CPU, small.view(), [300, 512, 512], &back, 0.5)
    })?;
    let whole = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let turned = [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]];
    let side = [[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]];
    let oblique = [[0.9, 0.1, 0.3, 9.0], [-0.1, 0.9, 0.2, 60.0], [0.05, -0.2, 0.9, 70.0]];
    for (name, map, samples) in [
        ("greatest of 300 slices, 512x512", whole, 300),
        ("greatest of 512 rows, 300x512", turned, 512),
        ("greatest of 512 columns, 300x512", side, 512),
        ("greatest of 20 oblique samples, 512x512", oblique, 20),
        ("a slice, 512x512", whole, 1),
    ] {
        let shape = [if map == whole || map == oblique { 512 } else { 300 }, 512];
        let slab = Slab { map, samples, through: Through::Greatest };
        bench.time(name, || picture(CPU, ct.view(), shape, slab, [-1000.0, 400.0]))?;
    }
    Ok(())
}

fn tiles(bench: &Bench) -> Result<(), Error> {
    let tile = Array3::from_elem((96, 96, 96), 0.5_f32);
    let mut at = Vec::new();
    for k in starts(192, 96, 0.5) {
        for j in starts(192, 96, 0.5) {
            for i in starts(192, 96, 0.5) {
                at.push([k, j, i]);
            }
        }
    }
    bench.time("blend 27 tiles of 96^3 into 192^3", || {
        let mut blend = Blend::new(CPU, [192; 3])?;
        for &at in &at {
            blend.add(tile.view(), at)?;
        }
        blend.finish()
    })?;
    let all: Vec<_> = at.iter().map(|&at| (tile.view(), at)).collect();
    bench
        .time("blend 27 tiles of 96^3 into 192^3 at once", || Blend::new(CPU, [192; 3])?.finish_with(&all))?;
    let volume = Array3::from_elem((192, 192, 192), 0.5_f32);
    let at: Vec<_> = at.iter().map(|at| at.map(|n| n as isize - 8)).collect();
    bench.time("gather 27 tiles of 96^3 from 192^3", || gather(CPU, volume.view(), &at, [96; 3], -1.0))?;
    let channels = [volume.view(), volume.view(), volume.view()];
    bench.time("strongest of 3 channels of 192^3", || strongest(CPU, &channels))
}
