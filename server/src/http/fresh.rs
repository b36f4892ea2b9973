//! What takes work to find out, and is asked for by many.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// Asking more often than this gets the same answer: anybody may ask.
const FRESH: Duration = Duration::from_secs(1);

/// What was found out last, and when that was.
#[derive(Debug, Default)]
pub(super) struct Fresh<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Fresh<T> {
    /// What was found out a moment ago, or else what `look` finds now. Who asks meanwhile waits for that.
    ///
    /// # Errors
    ///
    /// Those of `look`; the next to ask looks again.
    pub(super) async fn get<E>(&self, look: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut last = self.0.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(found.clone());
        }
        let found = look.await?;
        *last = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}
