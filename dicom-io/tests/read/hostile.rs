//! Files that were damaged, by chance or on purpose.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use dicom::core::Tag;
use dicom::dictionary_std::tags;
use dicom_io::scan;

use crate::builder::{BIG_ENDIAN, EXPLICIT, IMPLICIT, Image, RLE, only_series, plane, slice, write_file};
use crate::streams::lossless;

/// Remembers the largest piece of memory that was ever asked for.
struct Largest;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all work is done by the system's allocator; a number is noted beside it.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// No real series of the other tests in this program needs a larger piece: 133 x 512 x 512 voxels.
const ENOUGH: usize = 256 << 20;

/// Numbers that look random and are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// Changes a few bytes, lengths by preference, or cuts the file off.
fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        if bytes.len() < 150 {
            return;
        }
        let at = 132 + numbers.below(bytes.len() - 140);
        match numbers.below(5) {
            0 => bytes[at] = numbers.below(256) as u8,
            1 => bytes[at..at + 4].fill(0xFF),
            2 => bytes[at..at + 4].copy_from_slice(&[0, 0, 0, 0x7F]),
            3 => bytes[at] ^= 1 << numbers.below(8),
            _ => bytes.truncate(at + 8),
        }
    }
}

/// The parts of a header where reading can go astray: nested, of undefined length, private, identifying.
fn intricate(image: Image) -> Image {
    let code = Image::empty().text(tags::CODE_VALUE, b"SH", "24627-2");
    let request = Image::empty()
        .text(tags::REQUESTED_PROCEDURE_ID, b"SH", "R1")
        .items(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, vec![code.clone(), code.clone()]);
    image
        .items(tags::PROCEDURE_CODE_SEQUENCE, vec![code])
        .items(tags::REQUEST_ATTRIBUTES_SEQUENCE, vec![request])
        .text(Tag(0x0009, 0x0010), b"LO", "SOMEBODY")
        .text(Tag(0x0009, 0x1001), b"UN", "anything")
}

/// A run-length stream that repeats one byte.
fn run_lengths() -> Vec<u8> {
    let mut stream: Vec<u8> = [2u32, 64, 66].iter().flat_map(|n| n.to_le_bytes()).collect();
    stream.resize(64, 0);
    stream.extend([(257 - 30) as u8, 4, (257 - 30) as u8, 2]);
    stream
}

#[test]
fn no_damage_makes_it_panic_or_ask_for_much_memory() {
    let mut numbers = Numbers(20_261_122);
    let kinds = [EXPLICIT, IMPLICIT, BIG_ENDIAN, RLE, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"];
    let (mut read, mut refused) = (0, 0);
    for syntax in kinds {
        let image = |k: usize| {
            let image = intricate(slice(k)).syntax(syntax);
            match lossless(syntax, k) {
                Some(stream) => image.fragments(vec![vec![], stream]),
                None => image.pixels(plane(k)),
            }
        };
        for _ in 0..100 {
            let folder = tempfile::tempdir().unwrap();
            for k in 0..3 {
                let mut bytes = image(k).bytes();
                if k == 1 {
                    damage(&mut bytes, &mut numbers);
                }
                write_file(folder.path(), k, &bytes);
            }
            for series in scan(&[folder.path().to_owned()]).unwrap().studies.iter().flat_map(|s| &s.series) {
                match series.read() {
                    Ok(_) => read += 1,
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(read > 50 && refused > 200, "{read} {refused}");
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < ENOUGH, "{largest} bytes were asked for at once");
}

#[test]
fn sequences_nested_without_end_are_no_header() {
    let mut bytes = slice(0).without(tags::PIXEL_DATA).bytes();
    for _ in 0..100_000 {
        bytes.extend([0x40, 0x00, 0x75, 0x02, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        bytes.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), 0, &bytes);
    let message = only_series(folder.path()).read().unwrap_err().to_string();
    assert_eq!(message, "instance 1.2.3.100: the header is damaged");
}

#[test]
fn a_huge_image_in_a_small_file_is_refused() {
    let image = |k: usize| {
        let image = slice(k).word(tags::ROWS, 65535).word(tags::COLUMNS, 65535);
        image.syntax(RLE).fragments(vec![vec![], run_lengths()])
    };
    let folder = tempfile::tempdir().unwrap();
    for k in 0..3 {
        write_file(folder.path(), k, &image(k).bytes());
    }
    let message = only_series(folder.path()).read().unwrap_err().to_string();
    assert_eq!(message, "instance 1.2.3.102: 92 bytes cannot hold so many pixels");
}
