//! Code streams of the small slices, to decode.

use crate::builder::{COLUMNS, ROWS, plane};

/// PackBits without any repetition, one segment for each byte.
pub(crate) fn rle(words: &[u16]) -> Vec<u8> {
    let literal = |plane: Vec<u8>| {
        let mut packed = vec![plane.len() as u8 - 1];
        packed.extend(plane);
        packed.extend(vec![128; packed.len() % 2]);
        packed
    };
    let high = literal(words.iter().map(|word| word.to_be_bytes()[0]).collect());
    let low = literal(words.iter().map(|word| word.to_be_bytes()[1]).collect());
    let mut stream: Vec<u8> = [2, 64, 64 + high.len() as u32].iter().flat_map(|n| n.to_le_bytes()).collect();
    stream.resize(64, 0);
    stream.extend(high);
    stream.extend(low);
    stream
}

/// JPEG Lossless with first-order prediction of `words`, 12 bits each, in a frame of `rows` rows.
///
/// All 17 difference categories have codes of five bits, their number.
pub(crate) fn jpeg_lossless(words: &[u16], rows: u16) -> Vec<u8> {
    let columns = usize::from(COLUMNS);
    let mut stream = vec![0xFF, 0xD8, 0xFF, 0xC3, 0, 11, 12];
    stream.extend(rows.to_be_bytes());
    stream.extend(COLUMNS.to_be_bytes());
    stream.extend([1, 1, 0x11, 0, 0xFF, 0xC4, 0, 19 + 17, 0]);
    stream.extend((1..=16).map(|length| if length == 5 { 17 } else { 0 }));
    stream.extend(0..17);
    stream.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 0, 0]);
    let (mut bits, mut count) = (0u64, 0);
    let mut push = |value: u64, length: u32, stream: &mut Vec<u8>| {
        bits = bits << length | value;
        count += length;
        while count >= 8 {
            count -= 8;
            let byte = (bits >> count) as u8;
            stream.push(byte);
            if byte == 0xFF {
                stream.push(0);
            }
        }
    };
    for (at, word) in words.iter().enumerate() {
        let predicted = match at {
            0 => 1 << 11,
            _ if at % columns == 0 => words[at - columns],
            _ => words[at - 1],
        };
        let difference = i32::from(*word) - i32::from(predicted);
        let category = 32 - difference.unsigned_abs().leading_zeros();
        push(u64::from(category), 5, &mut stream);
        let bits = if difference < 0 { difference - 1 } else { difference };
        push(bits as u64 & ((1 << category) - 1), category, &mut stream);
    }
    push(0x7F, 7, &mut stream);
    stream.extend([0xFF, 0xD9]);
    stream.extend(vec![0; stream.len() % 2]);
    stream
}

/// JPEG 2000, lossless, 16 bits, of slices 0 to 2, as OpenJPEG 2.5 wrote them.
pub(crate) fn jpeg2000(k: usize) -> Vec<u8> {
    const HEAD: &str = "ff4fff5100290000000000050000000600000000000000000000000500000006000000000000000000010f0101\
        ff52000c00000001000204040001ff5c000a4080888890888890ff90000a0000";
    const TILES: [&str; 3] = [
        "000000290001ff93cffc3024088230d350b273933fa000084008a0007c81000cbd25bfffd9",
        "000000280001ff93cffc30200882244862c5f33ba000084008a0007c81000cbd25bfffd900",
        "000000280001ff93cffc30200882244769215da6a000084008a0007c81000cbd25bfffd900",
    ];
    bytes(&[HEAD, TILES[k]].concat())
}

/// High-Throughput JPEG 2000 of the same, as OpenJPH 0.26 wrote it.
fn htj2k(k: usize) -> Vec<u8> {
    const HEAD: &str = "ff4fff5100294000000000050000000600000000000000000000000500000006000000000000000000010f0101\
        ff50000800020000000aff52000c00020001000504044001ff5c00132088909090909090909090909090888888\
        ff90000a00000000003b0001ff93c0";
    const REST: &str = "050774000000c0001240001280fe277300d400877400a00008c000e300a000138052cac1c9feb500ffd9";
    bytes(&[HEAD, ["0026ff77", "002637f7", "00266ff6"][k], REST].concat())
}

/// JPEG Baseline of 30 times the number 100, as Pillow 13 wrote it.
pub(crate) fn jpeg_baseline() -> Vec<u8> {
    let quantisation = "01".repeat(64);
    bytes(&format!(
        "ffd8ffdb004300{quantisation}ffc0000b080006000501011100\
         ffc40014000100000000000000000000000000000008ffc40014100100000000000000000000000000000000\
         ffda0008010100003f000fbfffd9"
    ))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Slice `k` in the transfer syntax `uid`, compressed without loss.
pub(crate) fn lossless(uid: &str, k: usize) -> Option<Vec<u8>> {
    match uid {
        "1.2.840.10008.1.2.5" => Some(rle(&plane(k))),
        "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => Some(jpeg_lossless(&plane(k), ROWS)),
        "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => Some(jpeg2000(k)),
        "1.2.840.10008.1.2.4.201" | "1.2.840.10008.1.2.4.202" => Some(htj2k(k)),
        "1.2.840.10008.1.2.1.98" => Some(plane(k).iter().flat_map(|word| word.to_le_bytes()).collect()),
        _ => None,
    }
}
