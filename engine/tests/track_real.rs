//! Real chests laid over each other: one patient who was moved and breathes otherwise, and two patients.

use std::io::Write;
use std::path::PathBuf;

use dicom_io::{Geometry, Ijk, Lps, Reading, Spacing, Uid, Volume};
use engine::report::Examined;
use engine::track::{Alignment, Current, Prior, PriorLesion, compare};
use engine::{Finding, Kind, Mask, Measurements, Organ, Site};
use kernels::Device;
use ndarray::Array3;

/// The real scan `name`; `None`, after saying so, where it is not at hand and not required.
fn real(test: &str, name: &str) -> Option<Reading> {
    let named = std::env::var_os("FOCI_DATA").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-data"));
    let found = named.or(home).map(|data| data.join(name)).filter(|path| path.is_dir());
    let Some(path) = found else {
        let asked = std::env::var("FOCI_REQUIRE").unwrap_or_default();
        let required = asked.split(',').any(|gate| gate == "data");
        assert!(!required, "{test}: FOCI_REQUIRE asks for data, and the real scan {name} is not there");
        // To the handle itself: what a passing test prints with a macro is held back.
        let text = format!("skipped: {test}: the real scan {name} is not there\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        return None;
    };
    let scan = dicom_io::scan(&[path]).unwrap();
    let series = scan.studies.iter().flat_map(|study| &study.series);
    let largest = series.filter(|series| series.check().is_ok()).max_by_key(|series| series.images());
    Some(largest.expect("the scan holds a volume").read().unwrap())
}

/// Where the place `at` of the later examination was in the first one: turned by 6 degrees about the long axis
/// and 4 about the transverse one, shifted, and with a breath that moves the base by 18 mm and the apex by none.
fn before(at: Lps, middle: Lps) -> Lps {
    let [x, y, z] = [at.l - middle.l - 14.0, at.p - middle.p + 9.0, at.s - middle.s - 22.0];
    let (s, c) = 6_f64.to_radians().sin_cos();
    let [x, y] = [c * x - s * y, s * x + c * y];
    let (s, c) = 4_f64.to_radians().sin_cos();
    let [y, z] = [c * y - s * z, s * y + c * z];
    let breath = 18.0 / (1.0 + ((z + 40.0) / 25.0).exp());
    Lps::new(middle.l + x, middle.p + y, middle.s + z + breath)
}

/// The later examination on a grid of its own; the nearest voxel is taken, with noise of some 30 HU.
fn later(first: &Volume<i16>) -> (Volume<i16>, Lps) {
    let [k, j, i] = first.shape();
    let middle = first.geometry.to_lps(Ijk::new(i as f64 / 2.0, j as f64 / 2.0, k as f64 / 2.0));
    let shape = [110, 250, 250];
    let spacing = Spacing { i: 1.5, j: 1.5, k: 3.0 };
    let origin = Lps::new(middle.l - 187.0, middle.p - 187.0, middle.s - 165.0);
    let geometry = Geometry::new(origin, first.geometry.axes(), spacing).unwrap();
    let voxels = Array3::from_shape_fn(shape, |(k, j, i)| {
        let place = before(geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64)), middle);
        let at = first.geometry.to_ijk(place).to_array().map(|v| v.round() as isize as usize);
        let hu = first.voxels.get([at[2], at[1], at[0]]).copied().unwrap_or(-1024);
        hu.saturating_add(((k * 7919 + j * 104_729 + i * 1_299_709) % 101) as i16 - 50)
    });
    (Volume { voxels, geometry }, middle)
}

fn site() -> Site {
    Site { organ: Organ::Lung, side: None }
}

fn finding(number: usize, centre: Lps) -> Finding {
    Finding {
        number,
        kind: Kind::LungNodule,
        site: site(),
        measurements: Measurements {
            centre_lps_mm: centre,
            long_axis_mm: 8.0,
            short_axis_mm: 7.0,
            max_diameter_3d_mm: 8.0,
            volume_mm3: 220.0,
            voxels: 100,
            mean_hu: 0.0,
            min_hu: 0.0,
            max_hu: 0.0,
            sd_hu: 0.0,
            slice: 0,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        },
        density: None,
        solid_part: None,
        change: None,
        confidence: 0.9,
        model: "test".to_owned(),
        sop_instance_uid: Uid::derived(&["slice"]),
        tracking_uid: Uid::derived(&["now", &number.to_string()]),
        critical: false,
        mask: Mask::default(),
    }
}

fn prior(images: Volume<i16>, places: &[Lps]) -> Prior {
    let lesion = |(number, place): (usize, &Lps)| PriorLesion {
        kind: Kind::LungNodule,
        site: site(),
        tracking_uid: Uid::derived(&["then", &number.to_string()]),
        centre_lps_mm: Some(*place),
        long_axis_mm: 8.0,
        short_axis_mm: Some(7.0),
        volume_mm3: Some(220.0),
    };
    Prior {
        study_uid: Uid::derived(&["study"]),
        series_uid: Uid::derived(&["series"]),
        days: None,
        images: Some(images),
        frame_of_reference_uid: None,
        examined: vec![Kind::LungNodule],
        lesions: (1..).zip(places).map(lesion).collect(),
    }
}

fn current(images: &Volume<i16>) -> Current<'_> {
    const EXAMINED: &[Examined] = &[];
    Current { images, is_ct: true, frame_of_reference_uid: None, examined: EXAMINED }
}

/// Places in the lungs of the later examination of `name`, 30 mm apart, are found again in the first one.
#[track_caller]
fn check_followed(test: &str, name: &str) {
    let Some(first) = real(test, name) else { return };
    let (images, middle) = later(&first.volume);
    let mut places: Vec<Lps> = Vec::new();
    let (slices, rows, columns) = images.voxels.dim();
    for (k, j, i) in sparse(slices, rows, columns) {
        let place = images.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
        let lung = |hu: &i16| (-980..-650).contains(hu);
        let around = images.voxels.slice(ndarray::s![k - 1..k + 2, j - 4..j + 5, i - 4..i + 5]);
        let share = around.iter().filter(|hu| lung(hu)).count() as f64 / around.len() as f64;
        let apart = places.iter().all(|other| other.distance(place).0 > 30.0);
        if share > 0.8 && apart {
            places.push(place);
        }
    }
    assert!(places.len() > 20, "{} places", places.len());
    let then: Vec<Lps> = places.iter().map(|place| before(*place, middle)).collect();
    let mut findings: Vec<Finding> = (1..).zip(&places).map(|(n, place)| finding(n, *place)).collect();
    let prior = prior(first.volume, &then);
    let (compared, notes) = compare(&Device::Cpu, &current(&images), &prior, &mut findings).unwrap();
    let compared = compared.unwrap_or_else(|| panic!("{notes:?}"));
    let uid = |what: &str, n: usize| Uid::derived(&[what, &n.to_string()]);
    let matched = findings.iter().filter(|f| f.tracking_uid == uid("then", f.number)).count();
    let wrong = findings
        .iter()
        .filter(|f| f.tracking_uid != uid("then", f.number) && f.tracking_uid != uid("now", f.number))
        .count();
    let Alignment::Images { correlation, overlap } = compared.alignment else { panic!("{compared:?}") };
    eprintln!(
        "{name}: correlation {correlation:.3}, overlap {overlap:.2}, {matched} of {}, {wrong} wrong",
        places.len()
    );
    assert_eq!(wrong, 0);
    assert!(matched as f64 >= 0.95 * places.len() as f64, "{matched} of {}", places.len());
}

/// Every 5th slice, 8th row and column, away from the border.
fn sparse(slices: usize, rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (5..slices - 5).step_by(5).flat_map(move |k| {
        (8..rows - 8).step_by(8).flat_map(move |j| (8..columns - 8).step_by(8).map(move |i| (k, j, i)))
    })
}

#[test]
fn places_in_the_lungs_of_lidc_0001_are_found_again() {
    check_followed("places_in_the_lungs_of_lidc_0001_are_found_again", "lidc/LIDC-IDRI-0001");
}

#[test]
fn places_in_the_lungs_of_c3n_00247_are_found_again() {
    check_followed("places_in_the_lungs_of_c3n_00247_are_found_again", "cptac/C3N-00247");
}

#[test]
fn two_patients_are_not_laid_over_each_other() {
    const TEST: &str = "two_patients_are_not_laid_over_each_other";
    let (Some(one), Some(other)) = (real(TEST, "lidc/LIDC-IDRI-0001"), real(TEST, "cptac/C3N-00247")) else {
        return;
    };
    let prior = prior(other.volume, &[]);
    let (compared, notes) = compare(&Device::Cpu, &current(&one.volume), &prior, &mut []).unwrap();
    assert_eq!(compared, None, "{notes:?}");
    eprintln!("{notes:?}");
}
