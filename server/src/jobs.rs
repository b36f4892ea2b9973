//! Child processes that analyse studies, watched.

use std::sync::Arc;

use anyhow::Result;

use crate::node::{Node, Stop};

/// Keeps workers at work until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let _ = node;
    stop.requested().await;
    Ok(())
}
