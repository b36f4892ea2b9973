//! The networks, run: the graphs that are written here compute what the originals computed.

mod common;

use std::path::PathBuf;

use models::{Card, Network};
use ndarray::{Array3, Ix3, IxDyn, s};

/// How far a probability may be from the original's: rounding in 32 bits, amplified by 15 or 21
/// normalisations in a row.
const TOLERANCE: f32 = 1e-3;

/// An image with structure at several scales, so that probabilities between 0 and 1 come out.
fn image(shape: [usize; 3]) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(i, j, k)| {
        let [i, j, k] = [i, j, k].map(|n| n as f64);
        let coarse = 0.45 * (0.13 * i + 0.4).sin() * (0.11 * j - 0.3).cos() * (0.17 * k + 1.0).sin();
        (coarse + 0.1 * (1.3 * i + 0.7 * j + 2.1 * k).sin()).clamp(-0.5, 0.5) as f32
    })
}

/// The card of `name` with one tile of `shape`.
fn card(name: &str, shape: [usize; 3]) -> Card {
    let mut card = Card::named(name).unwrap().clone();
    card.tiles.shape = shape;
    card
}

/// What `network` makes of one tile, whose border is thereby lost.
fn whole_tile(network: &mut Network, tile: &Array3<f32>) -> Array3<f32> {
    let models::Join::Border([a, b, c]) = network.card().tiles.join else {
        panic!("a network with a border")
    };
    let inner = tile.slice(s![a..tile.dim().0 - a, b..tile.dim().1 - b, c..tile.dim().2 - c]);
    assert_eq!(inner.shape().iter().zip([a, b, c]).map(|(n, m)| n + 2 * m).collect::<Vec<_>>(), tile.shape());
    network.run_tile(tile.view()).unwrap().take("prob")
}

/// The network `name` gives for [`image`] what the original gave in 64 bits at the places in `samples`.
///
/// The samples were computed with PyTorch in 64 bits from the weights in the wheel; each line holds an
/// index of the output and the probability there, the last one the mean over the whole output.
fn check_samples(test: &str, name: &str, shape: [usize; 3], samples: &str) {
    let Some(mut network) = common::network(test, &card(name, shape)) else { return };
    let found = whole_tile(&mut network, &image(shape));
    for line in samples.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let (expected, found) = match words[..] {
            ["mean", mean] => (mean.parse::<f32>().unwrap(), found.mean().unwrap()),
            [i, j, k, value] => {
                let at = [i, j, k].map(|n| n.parse::<usize>().unwrap());
                (value.parse().unwrap(), found[at])
            }
            _ => panic!("{line}"),
        };
        assert!((found - expected).abs() <= TOLERANCE, "{name}: {line}, found {found}");
    }
}

#[test]
fn the_liver_network_computes_what_the_original_computes() {
    let test = "the_liver_network_computes_what_the_original_computes";
    check_samples(test, "liver", [54, 81, 54], include_str!("../liver/parity.txt"));
}

#[test]
fn the_lesion_network_computes_what_the_original_computes() {
    let test = "the_lesion_network_computes_what_the_original_computes";
    check_samples(test, "liver-lesion", [108, 116, 62], include_str!("../liver-lesion/parity.txt"));
}

/// A cube of 32-bit floats, little endian, from the parity files of the lung network.
fn cube(bytes: &[u8]) -> Array3<f32> {
    let values: Vec<f32> =
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let side = (values.len() as f64).cbrt().round() as usize;
    Array3::from_shape_vec((side, side, side), values).unwrap()
}

/// The outputs were computed with plain ONNX Runtime when the network was exported.
#[test]
fn the_lung_network_computes_what_it_computed_when_it_was_exported() {
    let test = "the_lung_network_computes_what_it_computed_when_it_was_exported";
    let Some(mut network) = common::network(test, &card("lung-nodule", [48; 3])) else { return };
    let input = cube(include_bytes!("../lung-nodule/parity/input.f32"));
    let mut found = network.run_tile(input.view()).unwrap();
    for (name, bytes) in [
        ("heat", &include_bytes!("../lung-nodule/parity/heat.f32")[..]),
        ("log_diameter", include_bytes!("../lung-nodule/parity/log_diameter.f32")),
        ("mask", include_bytes!("../lung-nodule/parity/mask.f32")),
    ] {
        let (found, expected) = (found.take(name), cube(bytes));
        let worst = (&found - &expected).iter().fold(0.0_f32, |worst, v| worst.max(v.abs()));
        assert!(worst <= TOLERANCE, "{name}: worst difference {worst}");
    }
}

/// Reads the array `name` of a NumPy archive, `[1, x, y, z, 1]` of 32-bit floats, as x, y, z.
fn npz(path: &PathBuf, name: &str) -> Array3<f32> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut bytes = Vec::new();
    std::io::copy(&mut archive.by_name(&format!("{name}.npy")).unwrap(), &mut bytes).unwrap();
    // Magic, version, then a header of so many bytes: a Python dictionary in words.
    let data = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..data]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split(['(', ')']).nth(1).unwrap().split(',');
    let shape: Vec<usize> = shape.filter_map(|n| n.trim().parse().ok()).collect();
    let values =
        bytes[data..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let array = ndarray::ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap();
    array
        .index_axis_move(ndarray::Axis(0), 0)
        .index_axis_move(ndarray::Axis(3), 0)
        .into_dimensionality::<Ix3>()
        .unwrap()
}

/// The output of the original Keras graph, kept outside of the repository, is met.
fn check_keras(test: &str, name: &str, file: &str) {
    let folder = std::env::var_os("FOCI_SHARED").map(PathBuf::from).unwrap_or_else(|| "../../shared".into());
    let file = folder.join("models/parity").join(file);
    if !file.exists() {
        return common::skip("data", test, "the outputs of the original network are not in $FOCI_SHARED");
    }
    let (image, expected) = (npz(&file, "x"), npz(&file, "y"));
    let Some(mut network) = common::network(test, &card(name, image.dim().into())) else { return };
    let found = whole_tile(&mut network, &image);
    let worst = (&found - &expected).iter().fold(0.0_f32, |worst, v| worst.max(v.abs()));
    assert!(worst <= TOLERANCE, "{name}: worst difference {worst}");
}

#[test]
fn the_liver_network_meets_the_outputs_of_keras() {
    check_keras("the_liver_network_meets_the_outputs_of_keras", "liver", "k64_liver.npz");
}

#[test]
fn the_lesion_network_meets_the_outputs_of_keras() {
    check_keras("the_lesion_network_meets_the_outputs_of_keras", "liver-lesion", "k64_lesion.npz");
}

#[test]
fn a_tensor_of_several_tiles_comes_out_whole_and_unwanted_tiles_stay_empty() {
    let test = "a_tensor_of_several_tiles_comes_out_whole_and_unwanted_tiles_stay_empty";
    let Some(mut network) = common::network(test, &card("liver", [54, 54, 54])) else { return };
    let tensor = image([30, 28, 20]);
    let mut wanted = Array3::from_elem(tensor.dim(), false);
    wanted[[29, 3, 3]] = true;
    let seen = std::cell::RefCell::new(Vec::new());
    let report = |p: models::Progress<'_>| seen.borrow_mut().push((p.done, p.total));
    let found = network.run(tensor.view(), Some(wanted.view()), &report).unwrap().take("prob");

    assert_eq!(found.dim(), tensor.dim());
    assert_eq!(seen.into_inner(), [(0, 1), (1, 1)]);
    assert!(found.slice(s![..28, .., ..]).iter().all(|&p| p == 0.0));

    // The second tile by hand: two rows of the tensor, and the value for outside all around.
    let mut tile = Array3::from_elem((54, 54, 54), network.card().input.outside_image);
    tile.slice_mut(s![..15, 13..41, 13..33]).assign(&tensor.slice(s![15..30, .., ..]));
    let expected = whole_tile(&mut network, &tile);
    assert_eq!(found.slice(s![28.., .., ..]), expected.slice(s![..2, .., ..20]));
}

#[test]
fn a_heat_map_comes_out_at_half_the_size_and_a_mask_at_the_whole() {
    let test = "a_heat_map_comes_out_at_half_the_size_and_a_mask_at_the_whole";
    let Some(mut network) = common::network(test, &card("lung-nodule", [32, 32, 32])) else { return };
    // Odd sizes, and two tiles along the second axis.
    let tensor = image([17, 37, 30]).mapv(|v| v + 0.5);
    let mut outputs = network.run(tensor.view(), None, &|_| ()).unwrap();
    let [heat, log_diameter, mask] = ["heat", "log_diameter", "mask"].map(|name| outputs.take(name));
    assert_eq!([heat.dim(), log_diameter.dim(), mask.dim()], [(9, 19, 15), (9, 19, 15), (17, 37, 30)]);
    assert!(heat.iter().chain(&mask).all(|p| (0.0..=1.0).contains(p)));
    assert!(log_diameter.iter().all(|v| v.is_finite()));
}
