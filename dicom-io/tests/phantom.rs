//! The synthetic patient: the same on every grid, and what its truth says is in its voxels.

use dicom_io::phantom::{LesionKind, Orientation, Phantom};
use dicom_io::{Ijk, Lps, Spacing, Volume};

/// A coarse patient without noise.
fn quiet() -> Phantom {
    Phantom {
        size: [90, 64, 60],
        spacing: Spacing { i: 4.0, j: 4.0, k: 6.0 },
        noise_hu: 0.0,
        ..Phantom::default()
    }
}

fn at(volume: &Volume<i16>, place: Lps) -> Option<i16> {
    let [i, j, k] = volume.geometry.to_ijk(place).to_array().map(f64::round);
    let inside = i >= 0.0 && j >= 0.0 && k >= 0.0;
    inside.then(|| volume.voxels.get((k as usize, j as usize, i as usize)).copied()).flatten()
}

#[test]
fn the_same_seed_is_the_same_patient_and_another_is_another() {
    let (one, truth) = quiet().render();
    assert_eq!(quiet().render(), (one.clone(), truth.clone()));
    let (other, other_truth) = Phantom { seed: 2, ..quiet() }.render();
    assert_ne!(other.voxels, one.voxels);
    assert_ne!(other_truth.lesions, truth.lesions);
}

#[test]
fn a_healthy_patient_differs_from_the_sick_one_only_where_lesions_are() {
    let (sick, truth) = quiet().render();
    let (healthy, none) = Phantom { healthy: true, ..quiet() }.render();
    assert!(none.lesions.is_empty());
    for ((k, j, i), value) in sick.voxels.indexed_iter() {
        if *value != healthy.voxels[(k, j, i)] {
            let place = sick.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
            // Spicules reach out to 1.8 radii.
            let near = |lesion: &dicom_io::phantom::LesionTruth| {
                place.distance(lesion.centre_lps_mm).0 <= 1.1 * lesion.long_axis_mm + 3.0
            };
            assert!(truth.lesions.iter().any(near), "{place:?} differs far from every lesion");
        }
    }
}

#[test]
fn truth_has_the_volume_and_the_density_of_the_voxels() {
    // Fine slices around one lesion each; the volume of voxels at least half-way to its density.
    let phantom = Phantom { nodules: 5, ..quiet() };
    let truth = phantom.truth();
    assert_eq!(truth.lesions.len(), 8);
    let fine = Phantom { size: [240, 165, 160], spacing: Spacing { i: 1.5, j: 1.5, k: 2.0 }, ..phantom };
    let (volume, _) = fine.render();
    let (healthy, _) = Phantom { healthy: true, ..fine }.render();
    for lesion in &truth.lesions {
        assert!(at(&volume, lesion.centre_lps_mm).is_some(), "{} lies outside", lesion.id);
        // Spicules are no part of the truth's volume, and at the pleura there is nothing to differ from.
        if lesion.shape == "spiculated" || lesion.shape == "juxtapleural" {
            continue;
        }
        let reach = lesion.long_axis_mm;
        let mut voxels = 0;
        for ((k, j, i), value) in
            volume.voxels.indexed_iter().filter(|(at, value)| healthy.voxels[*at] != **value)
        {
            let place = volume.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
            let (value, before) = (f64::from(*value), f64::from(healthy.voxels[(k, j, i)]));
            let half_way = (value - before).abs() > 0.5 * (lesion.mean_hu - before).abs();
            voxels += usize::from(half_way && place.distance(lesion.centre_lps_mm).0 <= reach);
        }
        let volume_mm3 = voxels as f64 * volume.geometry.voxel_mm3();
        let ratio = volume_mm3 / lesion.volume_mm3;
        assert!((0.8..=1.2).contains(&ratio), "{}: {volume_mm3} of {}", lesion.id, lesion.volume_mm3);
        let middle = f64::from(at(&volume, lesion.centre_lps_mm).unwrap());
        assert!((middle - lesion.mean_hu).abs() <= 3.0, "{}: {middle} for {}", lesion.id, lesion.mean_hu);
    }
}

#[test]
fn every_cut_shows_the_same_patient_at_the_same_place() {
    let truth = quiet().truth();
    let size = [90, 90, 90];
    let spacing = Spacing { i: 4.0, j: 4.0, k: 4.0 };
    for orientation in
        [Orientation::Axial, Orientation::Sagittal, Orientation::Coronal, Orientation::Oblique(17.0)]
    {
        let phantom = Phantom { size, spacing, orientation, ..quiet() };
        let (volume, same) = phantom.render();
        assert_eq!(same, truth);
        for lesion in truth.lesions.iter().filter(|lesion| lesion.kind == LesionKind::LiverLesion) {
            let found = at(&volume, lesion.centre_lps_mm).map(f64::from);
            let near = found.is_some_and(|hu| (hu - lesion.mean_hu).abs() <= 5.0);
            assert!(near, "{orientation:?}: {found:?} for {} at {}", lesion.mean_hu, lesion.id);
        }
    }
}

#[test]
fn a_series_reads_back_as_it_was_rendered() {
    for (signed, reversed, orientation) in
        [(false, false, Orientation::Axial), (true, true, Orientation::Oblique(9.0))]
    {
        let phantom = Phantom { signed, reversed, orientation, noise_hu: 20.0, ..quiet() };
        let folder = tempfile::tempdir().unwrap();
        let truth = phantom.write(folder.path()).unwrap();
        let found = dicom_io::scan(&[folder.path().to_owned()]).unwrap();
        let reading = found.studies[0].series[0].read().unwrap();
        let (volume, same) = phantom.render();
        assert_eq!(truth, same);
        assert_eq!(reading.volume.voxels, volume.voxels);
        for corner in [Ijk::new(0.0, 0.0, 0.0), Ijk::new(89.0, 63.0, 59.0)] {
            let apart = reading.volume.geometry.to_lps(corner).distance(volume.geometry.to_lps(corner));
            assert!(apart.0 < 0.01, "{apart}");
        }
        assert!(reading.warnings.is_empty(), "{:?}", reading.warnings);
        let json = std::fs::read(folder.path().join("truth.json")).unwrap();
        assert_eq!(serde_json::from_slice::<dicom_io::phantom::Truth>(&json).unwrap(), truth);
    }
}
