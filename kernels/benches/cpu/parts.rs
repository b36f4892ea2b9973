//! Finding, measuring and sorting out the parts of a mask.

use kernels::bits::Bits;
use kernels::components::{Components, components, components_in_bits};
use kernels::measure::measure;
use kernels::nms::{Scored, nms};
use kernels::{Error, Neighbours, diameter};
use ndarray::Array3;

use crate::made::{SPACING_MM, balls, boxes, busy, lesions};
use crate::{Bench, CPU};

pub(super) fn run(bench: &Bench, ct: &Array3<i16>) -> Result<(), Error> {
    let busy = busy();
    for (name, mask) in [("sparse", &balls(60)), ("busy", &busy)] {
        for neighbours in [Neighbours::TwentySix, Neighbours::Six] {
            let count = components(CPU, mask.view(), neighbours)?.list().len();
            let name = format!("{name} {neighbours:?}, {count} parts");
            bench.time(&format!("components {name}"), || components(CPU, mask.view(), neighbours))?;
            bench.time(&format!("labels {name}"), || components(CPU, mask.view(), neighbours)?.labels())?;
        }
    }
    let bits = Bits::of(busy.view())?;
    bench.time("components of bits, busy TwentySix", || {
        components_in_bits(CPU, &bits, Neighbours::TwentySix)
    })?;

    for (name, mask) in [("lesions", &lesions()), ("busy", &busy)] {
        let parts = components(CPU, mask.view(), Neighbours::TwentySix)?;
        let all = |parts: &Components| measure(parts, ct.view(), SPACING_MM, |_| true);
        let name = format!("{name}, {} parts", parts.list().len());
        bench.time(&format!("measure {name}"), || Ok(all(&parts)))?;
        bench.time(&format!("label and measure {name}"), || {
            Ok(all(&components(CPU, mask.view(), Neighbours::TwentySix)?))
        })?;
    }
    let ball = Array3::from_shape_fn((131, 131, 131), |(k, j, i)| {
        [k, j, i].iter().map(|&at| (at as f64 - 65.3).powi(2)).sum::<f64>() < 62.0 * 62.0
    });
    bench.time("longest distance in a ball of 10^6 voxels", || {
        Ok(diameter::longest_in_mask(ball.view(), [1.0; 3]))
    })?;

    let corner = |row: &[f32]| [row[0], row[1], row[2]];
    let boxes: Vec<Scored> = boxes(10_000)
        .rows()
        .into_iter()
        .map(|row| row.to_vec())
        .map(|row| Scored { low: corner(&row), high: corner(&row[3..]), score: row[6] })
        .collect();
    let kept = nms(CPU, &boxes, 0.22)?.len();
    bench.time(&format!("nms of 10,000 boxes, {kept} kept"), || nms(CPU, &boxes, 0.22))
}
