//! Storage commitment: asking peers to promise to keep what they got.

use std::sync::Arc;

use dicom_io::net::commitment::Commitment;

use crate::config::Peer;
use crate::node::Node;

/// Takes the word of `peer` on what it was asked to keep; returns the status to answer.
pub(crate) async fn reported(node: &Arc<Node>, peer: &Peer, commitment: Commitment) -> u16 {
    let _ = (node, peer, commitment);
    0x0110
}
