//! DICOM over the network: what we write is what others read, and nothing that others write breaks us.

mod data_sets;
mod hostile;
mod messages;
mod negotiated;

use dicom_io::Uid;
use dicom_io::net::pdu::AeTitle;

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn title(text: &str) -> AeTitle {
    AeTitle::parse(text).unwrap()
}

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";
