//! `Subscription`: a signal between one producer and one consumer, and waits that an interrupt ends.

use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tapeloom_core::subscription::{Held, Subscription};

use crate::error::{BindError, BindResult};

/// How long a wait sleeps before it looks for an interrupt. Half of what an interrupt may take: waking takes time too.
const SLICE: Duration = Duration::from_millis(50);

/// See `_core.pyi`.
#[pyclass(frozen, name = "Subscription", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PySubscription {
    core: Subscription,
    /// The process that made it. In a forked child nobody is left to signal, and the lock may be held for ever.
    process: u32,
}

#[pymethods]
impl PySubscription {
    #[new]
    fn new(stream_id: &str, counts_overruns: bool) -> Self {
        Self {
            core: Subscription::new(stream_id, counts_overruns),
            process: std::process::id(),
        }
    }

    fn signal(&self, py: Python<'_>) -> BindResult<()> {
        Ok(self.hold(py, |held| held.signal())??)
    }

    fn acknowledge(&self, py: Python<'_>) -> BindResult<u64> {
        Ok(self.hold(py, |held| held.acknowledge())??)
    }

    fn is_ready(&self, py: Python<'_>) -> BindResult<bool> {
        Ok(self.hold(py, |held| held.is_ready())??)
    }

    fn close(&self, py: Python<'_>) -> BindResult<()> {
        self.hold(py, |held| held.close())
    }

    fn wait_until_ready(&self, py: Python<'_>, timeout: Option<f64>) -> BindResult<bool> {
        self.check_process()?;
        wait(py, timeout, |slice| self.core.wait_until_ready(slice))
    }

    fn wait_until_acknowledged(&self, py: Python<'_>, timeout: Option<f64>) -> BindResult<bool> {
        if self.hold(py, |held| held.ask_acknowledged())?? {
            return Ok(true);
        }
        wait(py, timeout, |slice| {
            self.core.wait_until_acknowledged(slice)
        })
    }

    #[getter]
    fn counts(&self, py: Python<'_>) -> BindResult<(u64, u64, u64, u64)> {
        self.hold(py, |held| {
            let (produced, acknowledged) = held.counts();
            (produced, acknowledged, held.overruns(), held.backpressure())
        })
    }

    #[getter]
    fn is_closed(&self, py: Python<'_>) -> BindResult<bool> {
        self.hold(py, |held| held.is_closed())
    }
}

impl PySubscription {
    /// A few additions under the lock, which is never waited for while attached.
    fn hold<T: Send>(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut Held<'_>) -> T + Send,
    ) -> BindResult<T> {
        self.check_process()?;
        if let Some(mut held) = self.core.try_hold() {
            return Ok(job(&mut held));
        }
        Ok(py.detach(|| job(&mut self.core.hold())))
    }

    fn check_process(&self) -> BindResult<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        Err(BindError::Named(
            "ForkedSessionError",
            "a forked child used a subscription of its parent, whose threads it does not have; make one in the child, or start it with 'spawn'".to_owned(),
        ))
    }
}

/// Sleep slice by slice, detached, until there is an answer, an interrupt, or the time is up.
fn wait(
    py: Python<'_>,
    timeout: Option<f64>,
    sleep: impl Fn(Duration) -> tapeloom_core::Result<bool> + Sync,
) -> BindResult<bool> {
    // Beyond what a duration or the clock can hold there is no end.
    let end = timeout
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
        if py.detach(|| sleep(left.min(SLICE)))? {
            return Ok(true);
        }
        py.check_signals()?;
        if left.is_zero() {
            return Ok(false);
        }
    }
}
