//! A segmentation says where each voxel lies.

use crate::scan::{AXIAL, OBLIQUE, SHAPE, Scan, tracking};
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;
use dicom_io::object::{NewSeries, ResultObject};
use dicom_io::seg::{Segment, Segmentation};
use dicom_io::sr::codes;
use dicom_io::{Geometry, Ijk, Lps, Spacing};
use ndarray::Array3;

/// Every set voxel of `object` by segment, as (segment, centre in the patient).
fn voxels(object: &ResultObject) -> Vec<(u16, Lps)> {
    let object = object.object();
    let numbers = |item: &InMemDicomObject, tag| item.element(tag).unwrap().to_multi_float64().unwrap();
    let items = |item: &InMemDicomObject, tag| item.get(tag).unwrap().items().unwrap().to_vec();
    let shared = &items(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)[0];
    let axes = numbers(&items(shared, tags::PLANE_ORIENTATION_SEQUENCE)[0], tags::IMAGE_ORIENTATION_PATIENT);
    let spacing = numbers(&items(shared, tags::PIXEL_MEASURES_SEQUENCE)[0], tags::PIXEL_SPACING);
    let [rows, columns] = [tags::ROWS, tags::COLUMNS].map(|tag| numbers(object, tag)[0] as usize);
    let bytes = object.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    let mut found = Vec::new();
    for (n, frame) in items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter().enumerate() {
        let identification = &items(frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE)[0];
        let segment = numbers(identification, tags::REFERENCED_SEGMENT_NUMBER)[0] as u16;
        let position = numbers(&items(frame, tags::PLANE_POSITION_SEQUENCE)[0], tags::IMAGE_POSITION_PATIENT);
        for at in 0..rows * columns {
            let bit = n * rows * columns + at;
            if bytes[bit / 8] >> (bit % 8) & 1 == 1 {
                let (j, i) = ((at / columns) as f64, (at % columns) as f64);
                let along = |d: usize| position[d] + axes[d] * spacing[1] * i + axes[d + 3] * spacing[0] * j;
                found.push((segment, Lps::new(along(0), along(1), along(2))));
            }
        }
    }
    found
}

#[track_caller]
fn check(axes: [[f64; 3]; 3]) {
    let scan = Scan::new("seg", axes, &[]);
    let masks = scan.masks();
    let found = voxels(&scan.segmentation(&masks));
    let mut wanted = Vec::new();
    for (n, (mask, offset)) in masks.iter().enumerate() {
        for ((k, j, i), _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
            let [k, j, i] = [k + offset[0], j + offset[1], i + offset[2]].map(|index| index as f64);
            wanted.push((n as u16 + 1, scan.geometry.to_lps(Ijk::new(i, j, k))));
        }
    }
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(found.0, wanted.0);
        assert!(found.1.distance(wanted.1).0 < 1e-6, "{found:?} {wanted:?}");
    }
}

#[test]
fn every_voxel_of_an_axial_mask_lies_where_it_was_drawn() {
    check(AXIAL);
}

#[test]
fn every_voxel_of_an_oblique_mask_lies_where_it_was_drawn() {
    check(OBLIQUE);
}

#[test]
fn a_slice_in_which_nothing_lies_has_no_frame() {
    let scan = Scan::new("sparse", AXIAL, &[]);
    let frames = |mask: &Array3<bool>| {
        let segment = Segment {
            label: "Two ends".into(),
            category: codes::ANATOMICAL_STRUCTURE,
            property: codes::LIVER,
            sites: Vec::new(),
            algorithm: 0,
            tracking: Some(("Two ends".into(), tracking(9))),
            colour: [200, 100, 0],
            mask: mask.view(),
            offset: [0; 3],
        };
        let series = NewSeries { number: 1, description: String::new() };
        let object = Segmentation { series, label: "ORGANS".into(), segments: vec![segment] };
        let object = object.to_object(&scan.context());
        object.object().element(tags::NUMBER_OF_FRAMES).unwrap().to_int::<usize>().unwrap()
    };
    let mut mask = Array3::from_elem(SHAPE, false);
    mask[[0, 0, 0]] = true;
    mask[[6, 49, 60]] = true;
    assert_eq!(frames(&mask), 2);
    mask[[3, 10, 10]] = true;
    assert_eq!(frames(&mask), 3);
}

#[test]
fn segments_that_share_a_voxel_are_said_to_overlap() {
    let scan = Scan::new("overlap", AXIAL, &[]);
    let overlap = |object: &ResultObject| {
        object.object().element(tags::SEGMENTS_OVERLAP).unwrap().to_str().unwrap().into_owned()
    };
    let mut masks = scan.masks();
    assert_eq!(overlap(&scan.segmentation(&masks)), "NO");
    masks[1].1 = masks[0].1;
    assert_eq!(overlap(&scan.segmentation(&masks)), "YES");
}

#[test]
fn a_whole_organ_in_300_slices_is_written_quickly() {
    let shape = [300, 512, 512];
    let scan = Scan::new("large", AXIAL, &[]);
    let slices: Vec<_> = (0..300)
        .map(|k| dicom_io::SliceRef {
            sop_class_uid: scan.slices[0].sop_class_uid.clone(),
            sop_instance_uid: dicom_io::Uid::derived(&["large", &k.to_string()]),
            frame: None,
        })
        .collect();
    let geometry = Geometry::new(Lps::new(0.0, 0.0, 0.0), AXIAL, Spacing { i: 0.7, j: 0.7, k: 1.0 }).unwrap();
    let context = dicom_io::object::Context { geometry: &geometry, shape, slices: &slices, ..scan.context() };
    let organ = Array3::from_shape_fn((200, 300, 250), |(k, j, i)| {
        let d = [(k as f64 - 99.5) / 99.0, (j as f64 - 149.5) / 149.0, (i as f64 - 124.5) / 124.0];
        d.iter().map(|d| d * d).sum::<f64>() < 1.0
    });
    let lesion = Array3::from_elem((20, 30, 30), true);
    let segment = |label: &str, mask, offset| Segment {
        label: label.into(),
        category: codes::ANATOMICAL_STRUCTURE,
        property: codes::LIVER,
        sites: Vec::new(),
        algorithm: 0,
        tracking: None,
        colour: [200, 100, 0],
        mask,
        offset,
    };
    let segmentation = Segmentation {
        series: NewSeries { number: 1, description: String::new() },
        label: "ORGANS".into(),
        segments: vec![
            segment("Liver", organ.view(), [50, 100, 60]),
            segment("Lesion", lesion.view(), [140, 240, 180]),
        ],
    };
    let folder = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    segmentation.to_object(&context).write(&folder.path().join("seg.dcm")).unwrap();
    let took = start.elapsed();
    println!("{took:?}");
    // 0.1 s on an idle machine; the limit leaves room for a busy one.
    assert!(took.as_secs_f64() < 1.5, "{took:?}");
}
