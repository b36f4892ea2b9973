//! How long 300 uncompressed slices of 512 x 512 take from a warm cache to a volume of Hounsfield units.
//!
//! `cargo bench -p dicom-io --bench read`, or with the folder of a series as argument.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dicom_io::{Series, scan};

const SLICES: usize = 300;
const SIDE: usize = 512;

fn main() {
    let temporary = tempfile::tempdir().expect("a folder for temporary files");
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).map(PathBuf::from);
    let folder = given.unwrap_or_else(|| {
        write(temporary.path());
        temporary.path().to_owned()
    });
    let find = || scan(std::slice::from_ref(&folder)).expect("the folder can be read");
    let scanned = find();
    let series: &Series = &scanned.studies[0].series[0];
    report("scan", &mut || drop(find()));
    report("check", &mut || drop(series.check()));
    report("read", &mut || drop(series.read().expect("the series is a volume")));
}

/// Prints the fastest and the median of 15 runs.
fn report(name: &str, run: &mut dyn FnMut()) {
    let mut times: Vec<Duration> = (0..15)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("{name:6} fastest {:?}, median {:?}", times[0], times[times.len() / 2]);
}

/// Writes an axial CT with the bit depth of most scanners: 12 of 16.
fn write(folder: &Path) {
    for k in 0..SLICES {
        let mut data = Vec::new();
        let mut text = |group: u16, element: u16, vr: &str, value: &str| {
            let mut value = value.to_owned();
            if value.len() % 2 == 1 {
                value.push(if vr == "UI" { '\0' } else { ' ' });
            }
            data.extend(group.to_le_bytes());
            data.extend(element.to_le_bytes());
            data.extend(vr.as_bytes());
            data.extend((value.len() as u16).to_le_bytes());
            data.extend(value.as_bytes());
        };
        text(0x0002, 0x0010, "UI", "1.2.840.10008.1.2.1");
        text(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2");
        text(0x0008, 0x0018, "UI", &format!("1.2.3.4.{k}"));
        text(0x0008, 0x0060, "CS", "CT");
        // Real headers hold some hundred elements that nobody asks for.
        for element in 0..150 {
            text(0x0009, 0x1000 + element, "LO", "something of the scanner's own");
        }
        text(0x0020, 0x000D, "UI", "1.2.3.1");
        text(0x0020, 0x000E, "UI", "1.2.3.2");
        text(0x0020, 0x0032, "DS", &format!("-180\\-180\\{k}"));
        text(0x0020, 0x0037, "DS", "1\\0\\0\\0\\1\\0");
        text(0x0020, 0x0052, "UI", "1.2.3.3");
        text(0x0028, 0x0002, "US", "\u{1}\0");
        text(0x0028, 0x0004, "CS", "MONOCHROME2");
        text(0x0028, 0x0010, "US", "\0\u{2}");
        text(0x0028, 0x0011, "US", "\0\u{2}");
        text(0x0028, 0x0030, "DS", "0.7\\0.7");
        text(0x0028, 0x0100, "US", "\u{10}\0");
        text(0x0028, 0x0101, "US", "\u{c}\0");
        text(0x0028, 0x0102, "US", "\u{b}\0");
        text(0x0028, 0x0103, "US", "\0\0");
        text(0x0028, 0x1052, "DS", "-1024");
        text(0x0028, 0x1053, "DS", "1");
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        bytes.extend(data);
        bytes.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0]);
        bytes.extend(((SIDE * SIDE * 2) as u32).to_le_bytes());
        bytes.extend((0..SIDE * SIDE).flat_map(|n| ((n * 31 + k * 997) as u16 & 0x0FFF).to_le_bytes()));
        std::fs::write(folder.join(k.to_string()), bytes).expect("room for 160 MB");
    }
}
