//! Our own DICOMweb service.

use std::sync::Arc;

use crate::intake::Intake;
use crate::node::Node;

/// The routes below `/dicom-web`.
pub(crate) fn routes(node: Arc<Node>, intake: Arc<Intake>) -> axum::Router {
    let _ = (node, intake);
    axum::Router::new()
}
