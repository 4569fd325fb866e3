//! `Timings`: base class of `PerformanceMetrics`. Takes what is recorded per unit, and hands out the figures.

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyString};
use tapeloom_core::timing::{Figures, Ledger, Timed, Timing};

use crate::convert;
use crate::error::{BindError, BindResult};

/// Count; then total, shortest, longest, mean, median and 99th percentile in seconds, `None` before the first.
type PyTiming = (u64, Option<(f64, f64, f64, f64, f64, f64)>);
type PyNamed<T> = Vec<(String, T)>;

const LONGEST_NAME: usize = 100;
const NS: f64 = 1e9;

/// See `_core.pyi`.
#[pyclass(frozen, subclass, name = "Timings", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyTimings {
    clock: Py<PyAny>,
    ledger: Mutex<Ledger>,
}

#[pymethods]
impl PyTimings {
    #[new]
    fn new(clock: Py<PyAny>) -> Self {
        Self {
            clock,
            ledger: Mutex::default(),
        }
    }

    /// Return monotonic seconds, which every recorder takes as its start.
    fn start_timer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.clock.call0(py)
    }

    /// Record that one call of the analyses took from ``start`` to now.
    fn record_analysis_engine(&self, start: &Bound<'_, PyAny>) -> BindResult<()> {
        self.record(start, Timed::AnalysisEngine)
    }

    /// Record that one batch took from ``start`` to now to enter the store.
    fn record_data_processor(&self, start: &Bound<'_, PyAny>) -> BindResult<()> {
        self.record(start, Timed::DataProcessor)
    }

    /// Record that loading before the first session took from ``start`` to now.
    fn record_initial_load(&self, start: &Bound<'_, PyAny>) -> BindResult<()> {
        self.record(start, Timed::InitialLoad)
    }

    /// Record that loading before a later session took from ``start`` to now.
    fn record_subsequent_load(&self, start: &Bound<'_, PyAny>) -> BindResult<()> {
        self.record(start, Timed::SubsequentLoad)
    }

    /// Record the time between two sessions, from ``start`` to now.
    fn record_session_gap(&self, start: &Bound<'_, PyAny>) -> BindResult<()> {
        self.record(start, Timed::SessionGap)
    }

    /// Record that a session took from ``start`` to now by the wall clock.
    fn record_session_duration(&self, start: &Bound<'_, PyAny>) -> BindResult<()> {
        self.record(start, Timed::SessionDuration)
    }

    /// Record that the named phase took from ``start`` to now.
    fn record_phase(&self, name: &Bound<'_, PyAny>, start: &Bound<'_, PyAny>) -> BindResult<()> {
        let (py, name) = (name.py(), self::name(name, "name", "PHASE_5")?);
        let ns = self.since(start)?;
        Ok(self.hold(py, |ledger| ledger.record_phase(name, ns))?)
    }

    /// Count that the producer of the named edge had to wait for its consumer.
    fn record_backpressure(&self, edge: &Bound<'_, PyAny>) -> BindResult<()> {
        let (py, name) = (
            edge.py(),
            self::name(edge, "edge", "coordinator -> analysis")?,
        );
        Ok(self.hold(py, |ledger| ledger.record_backpressure(name))?)
    }

    /// Add bars to those of the backtest.
    fn record_bars(&self, count: &Bound<'_, PyAny>) -> BindResult<()> {
        let bars = convert::rows(count, "count")? as u64;
        self.hold(count.py(), |ledger| ledger.add_bars(bars));
        Ok(())
    }

    /// Count one more session.
    fn increment_trading_days(&self, py: Python<'_>) {
        self.hold(py, Ledger::add_trading_day);
    }

    /// Forget the session's figures; those of the run stay as they are.
    fn reset_session_metrics(&self, py: Python<'_>) {
        self.hold(py, Ledger::clear_session);
    }

    fn _reset(&self, py: Python<'_>) {
        self.hold(py, |ledger| *ledger = Ledger::default());
    }

    #[allow(clippy::type_complexity, reason = "_core.pyi has the names")]
    fn _figures(
        &self,
        py: Python<'_>,
        session: bool,
    ) -> (Vec<PyTiming>, PyNamed<PyTiming>, PyNamed<u64>, (u64, u64)) {
        self.hold(py, |ledger| {
            let figures: &Figures = if session {
                ledger.session()
            } else {
                ledger.run()
            };
            let phases = figures.phases().iter();
            let edges = figures.backpressure().iter();
            (
                figures.timings().iter().map(seconds).collect(),
                phases.map(|(n, t)| (n.to_string(), seconds(t))).collect(),
                edges.map(|(n, count)| (n.to_string(), *count)).collect(),
                (figures.trading_days(), figures.bars()),
            )
        })
    }
}

impl PyTimings {
    #[inline]
    fn record(&self, start: &Bound<'_, PyAny>, timed: Timed) -> BindResult<()> {
        let ns = self.since(start)?;
        self.hold(start.py(), |ledger| ledger.record(timed, ns));
        Ok(())
    }

    /// Nanoseconds from a start until now. The clock is Python, so it is asked before any lock is taken.
    #[inline]
    fn since(&self, start: &Bound<'_, PyAny>) -> BindResult<u64> {
        let now: f64 = self.clock.bind(start.py()).call0()?.extract()?;
        match start.cast_exact::<PyFloat>() {
            Ok(float) if (0.0..=now).contains(&float.value()) => {
                Ok(((now - float.value()) * NS).round() as u64)
            }
            _ => odd_start(start, now),
        }
    }

    /// A few additions under the lock, which is never waited for while attached.
    #[inline]
    fn hold<T: Send>(&self, py: Python<'_>, job: impl FnOnce(&mut Ledger) -> T + Send) -> T {
        if let Some(mut ledger) = self.ledger.try_lock() {
            return job(&mut ledger);
        }
        py.detach(|| job(&mut self.ledger.lock()))
    }
}

/// A start that is no plain float in the past.
#[cold]
fn odd_start(start: &Bound<'_, PyAny>, now: f64) -> BindResult<u64> {
    let shown = start.repr()?.to_string();
    let seconds: Option<f64> = match start.is_instance_of::<PyBool>() {
        true => None,
        false => start.extract().ok(),
    };
    let Some(seconds) = seconds else {
        let kind = start.get_type().name()?;
        return Err(BindError::argument_type(format!(
            "start is {shown} ({kind}); it must be the seconds that start_timer() returned"
        )));
    };
    if (0.0..=now).contains(&seconds) {
        return Ok(((now - seconds) * NS).round() as u64);
    }
    Err(BindError::argument(format!(
        "start is {shown}; it must lie between 0 and now, {now:.6} on this clock; take it from start_timer()"
    )))
}

/// A name that fits one line of a report.
fn name<'a>(value: &'a Bound<'_, PyAny>, argument: &str, example: &str) -> BindResult<&'a str> {
    let Some(name) = value.cast::<PyString>().ok().and_then(|n| n.to_str().ok()) else {
        let (shown, kind) = (value.repr()?, value.get_type().name()?);
        return Err(BindError::argument_type(format!(
            "{argument} is {shown} ({kind}); it must be text, such as '{example}'"
        )));
    };
    let is_long = name.len() > LONGEST_NAME;
    if is_long || name.trim().is_empty() || name.contains(char::is_control) {
        return Err(BindError::argument(format!(
            "{argument} is {}; it must be one line of 1 to {LONGEST_NAME} bytes, such as '{example}'",
            if is_long {
                "too long".to_owned()
            } else {
                value.repr()?.to_string()
            },
        )));
    }
    Ok(name)
}

fn seconds(timing: &Timing) -> PyTiming {
    let count = timing.count();
    let total = timing.total_ns() as f64 / NS;
    let percentile = |share| timing.percentile_ns(share).unwrap_or_default() as f64 / NS;
    let figures = timing.range_ns().map(|(shortest, longest)| {
        (
            total,
            shortest as f64 / NS,
            longest as f64 / NS,
            total / count as f64,
            percentile(0.5),
            percentile(0.99),
        )
    });
    (count, figures)
}
