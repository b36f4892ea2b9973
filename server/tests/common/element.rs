//! Elements put into DICOM files.

/// `file`, in explicit VR little endian without sequences, with the element in it or in its place.
pub(crate) fn with(file: &[u8], (group, element, vr, value): (u16, u16, &[u8; 2], &[u8])) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(b' ');
    }
    let tag = |at: usize| {
        let word = |at| u16::from_le_bytes([file[at], file[at + 1]]);
        (word(at), word(at + 2))
    };
    let mut at = 132;
    while at < file.len() && tag(at) < (group, element) {
        at = end_of_element(file, at);
    }
    let rest = if at < file.len() && tag(at) == (group, element) { end_of_element(file, at) } else { at };
    let mut bytes = file[..at].to_vec();
    bytes.extend(group.to_le_bytes());
    bytes.extend(element.to_le_bytes());
    bytes.extend(vr);
    bytes.extend((value.len() as u16).to_le_bytes());
    bytes.extend(value);
    bytes.extend(&file[rest..]);
    bytes
}

fn end_of_element(file: &[u8], at: usize) -> usize {
    let long = [b"OB", b"OW", b"UN", b"UT", b"SQ"].iter().any(|vr| **vr == file[at + 4..at + 6]);
    if long {
        at + 12 + u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize
    } else {
        at + 8 + usize::from(u16::from_le_bytes([file[at + 6], file[at + 7]]))
    }
}
