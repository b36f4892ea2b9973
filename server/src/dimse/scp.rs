//! What peers ask of us: C-ECHO, C-STORE, and their word on storage commitment.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;

use crate::intake::Intake;
use crate::node::{Node, Stop};

/// The sockets of our DICOM node.
#[derive(Debug)]
pub(crate) struct Server {}

impl Server {
    /// Binds the sockets that the configuration names.
    pub(crate) async fn bind(node: Arc<Node>, intake: Arc<Intake>) -> Result<Self> {
        let _ = (node, intake);
        Ok(Self {})
    }

    /// Where it listens without TLS.
    pub(crate) fn plain(&self) -> Option<SocketAddr> {
        None
    }

    /// Where it listens with TLS.
    pub(crate) fn tls(&self) -> Option<SocketAddr> {
        None
    }

    /// Serves until the node stops; then what is under way ends, and nothing new begins.
    pub(crate) async fn run(self, stop: Stop) -> Result<()> {
        stop.requested().await;
        Ok(())
    }
}
