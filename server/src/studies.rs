//! When a study is complete, and when its images may go.

use std::sync::Arc;

use anyhow::Result;

use crate::node::{Node, Stop};

/// Watches studies until the node stops: completes those that are, purges images that are old enough.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let _ = node;
    stop.requested().await;
    Ok(())
}
