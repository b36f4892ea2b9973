//! The synthetic patient: the same on every grid, and what its truth says is in its voxels.

use dicom_io::phantom::{Fate, FollowUp, LesionKind, Orientation, Phantom, Pose};
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

/// The patient of `quiet` three months later: moved, and with every fate.
fn later() -> FollowUp {
    FollowUp {
        patient: quiet(),
        days: 90,
        pose: Pose { shift_mm: [12.0, -9.0, 20.0], turn_degrees: [4.0, -3.0, 10.0], breath: 1.06 },
        fates: vec![Fate::Scaled(1.4), Fate::Gone, Fate::Scaled(1.0), Fate::Scaled(0.7)],
        new_nodules: 1,
        new_liver_lesions: 1,
    }
}

#[test]
fn a_patient_who_lies_and_breathes_as_before_looks_as_before() {
    let same = FollowUp {
        pose: Pose::default(),
        fates: Vec::new(),
        new_nodules: 0,
        new_liver_lesions: 0,
        ..later()
    };
    assert_eq!(same.render(), quiet().render());
    // But for the noise, which never repeats.
    let noisy = Phantom { noise_hu: 20.0, ..quiet() };
    assert_ne!(FollowUp { patient: noisy.clone(), ..same }.render().0, noisy.render().0);
}

#[test]
fn every_lesion_has_its_fate_and_keeps_its_name() {
    let (before, now) = (quiet().truth(), later().truth());
    let ids: Vec<&str> = now.lesions.iter().map(|lesion| lesion.id.as_str()).collect();
    assert_eq!(
        ids,
        ["nodule-1", "nodule-3", "nodule-4", "liver-1", "liver-2", "liver-3", "new-nodule-1", "new-liver-1"]
    );
    for (id, times) in [("nodule-1", 1.4_f64), ("nodule-4", 0.7), ("liver-1", 1.0)] {
        let volume = |truth: &dicom_io::phantom::Truth| {
            truth.lesions.iter().find(|lesion| lesion.id == id).unwrap().volume_mm3
        };
        // A breath stretches a lesion with everything else.
        let wanted = 1.06 * times.powi(3);
        let found = volume(&now) / volume(&before);
        assert!((found / wanted - 1.0).abs() < 0.03, "{id}: {found} where {wanted} is expected");
    }
}

#[test]
fn a_patient_who_has_moved_has_the_lesions_where_the_truth_says() {
    let (volume, truth) = later().render();
    for lesion in truth.lesions.iter().filter(|lesion| lesion.kind == LesionKind::LiverLesion) {
        let found = at(&volume, lesion.centre_lps_mm).map(f64::from);
        let near = found.is_some_and(|hu| (hu - lesion.mean_hu).abs() <= 5.0);
        assert!(near, "{found:?} for {} at {}", lesion.mean_hu, lesion.id);
    }
    let moved = |id: &str| {
        let place = |truth: &dicom_io::phantom::Truth| {
            truth.lesions.iter().find(|lesion| lesion.id == id).unwrap().centre_lps_mm
        };
        place(&quiet().truth()).distance(place(&truth)).0
    };
    assert!(moved("liver-1") > 10.0, "{}", moved("liver-1"));
}

#[test]
fn a_follow_up_is_another_study_of_the_same_patient() {
    let source = |write: &dyn Fn(&std::path::Path)| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        dicom_io::scan(&[folder.path().to_owned()]).unwrap().studies[0].series[0].source().unwrap()
    };
    let small = Phantom { size: [20, 16, 12], spacing: Spacing { i: 16.0, j: 16.0, k: 24.0 }, ..quiet() };
    let first = source(&|folder| drop(small.write(folder).unwrap()));
    let later = FollowUp { patient: small.clone(), ..later() };
    let second = source(&|folder| drop(later.write(folder).unwrap()));
    assert_eq!(second.days_since(&first), Some(90));
    assert_eq!(second.same_patient(&first), Some(true));
    assert_ne!(second.study_uid(), first.study_uid());
    assert_ne!(second.frame_of_reference_uid(), first.frame_of_reference_uid());
    let other = source(&|folder| drop(Phantom { seed: 2, ..small.clone() }.write(folder).unwrap()));
    assert_eq!(other.same_patient(&first), Some(false));
}
