//! Results on their way: sent, sent again, committed, or given up with a reason.

use std::sync::Arc;

use anyhow::Result;

use crate::node::{Node, Stop};

/// Delivers results until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let _ = node;
    stop.requested().await;
    Ok(())
}
