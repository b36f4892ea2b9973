//! How long it takes to compare two examinations of 300 slices of 512 x 512.
//!
//! `cargo bench -p engine --bench track`

use std::time::Instant;

use dicom_io::phantom::{FollowUp, Phantom, Pose};
use dicom_io::{Geometry, Ijk, Spacing, Uid, Volume};
use engine::track::{Current, Prior, compare};
use kernels::Device;
use kernels::resample::{Intensity, resample};

/// `coarse` on a grid of 512 x 512 x 300 that covers the same.
fn fine(coarse: &Volume<i16>) -> Volume<i16> {
    let shape = [300, 512, 512];
    let [k, j, i] = coarse.shape();
    let step = coarse.geometry.spacing();
    let spacing = Spacing {
        i: step.i * (i - 1) as f64 / 511.0,
        j: step.j * (j - 1) as f64 / 511.0,
        k: step.k * (k - 1) as f64 / 299.0,
    };
    let origin = coarse.geometry.to_lps(Ijk::new(0.0, 0.0, 0.0));
    let geometry = Geometry::new(origin, coarse.geometry.axes(), spacing).expect("a grid");
    let map = geometry.index_map(&coarse.geometry);
    let hu = resample(&Device::Cpu, coarse.voxels.view(), shape, &map, Intensity::unchanged(-1000.0));
    Volume { voxels: hu.expect("there is memory").mapv(|hu| hu as i16), geometry }
}

fn main() {
    let patient =
        Phantom { size: [112, 84, 76], spacing: Spacing { i: 3.2, j: 3.2, k: 4.0 }, ..Phantom::default() };
    let later = FollowUp {
        patient: patient.clone(),
        days: 90,
        pose: Pose { shift_mm: [10.0, 8.0, -15.0], turn_degrees: [-4.0, 5.0, -6.0], breath: 0.95 },
        fates: Vec::new(),
        new_nodules: 0,
        new_liver_lesions: 0,
    };
    let prior = Prior {
        study_uid: Uid::derived(&["study"]),
        series_uid: Uid::derived(&["series"]),
        days: Some(90),
        images: Some(fine(&patient.render().0)),
        frame_of_reference_uid: None,
        examined: Vec::new(),
        lesions: Vec::new(),
    };
    let now = fine(&later.render().0);
    let current = Current { images: &now, is_ct: true, frame_of_reference_uid: None, examined: &[] };
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let since = Instant::now();
            let (compared, notes) =
                compare(&Device::Cpu, &current, &prior, &mut []).expect("there is memory");
            assert!(compared.is_some(), "{notes:?}");
            since.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("two examinations of 512 x 512 x 300: {:.2} s (median of five)", seconds[2]);
}
