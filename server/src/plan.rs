//! From complete studies to jobs.

use std::sync::Arc;

use anyhow::Result;

use crate::node::{Node, Stop};

/// Plans what is done with each complete study until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let _ = node;
    stop.requested().await;
    Ok(())
}
