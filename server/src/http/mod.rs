//! The web server: status page, API, metrics, DICOMweb.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;

use crate::intake::Intake;
use crate::node::{Node, Stop};

/// The socket of the web server.
#[derive(Debug)]
pub(crate) struct Server {}

impl Server {
    /// Binds the socket that the configuration names.
    pub(crate) async fn bind(node: Arc<Node>, intake: Arc<Intake>) -> Result<Self> {
        let _ = (node, intake);
        Ok(Self {})
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        None
    }

    /// Serves until the node stops.
    pub(crate) async fn run(self, stop: Stop) -> Result<()> {
        stop.requested().await;
        Ok(())
    }
}
