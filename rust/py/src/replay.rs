//! `Replay`: one session played through a store, detached from the interpreter.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use tapeloom_core::merge::Source;
use tapeloom_core::replay::{Replay, Wake};
use tapeloom_core::store::{Directory, Entry};

use crate::bars::PyBars;
use crate::batch::{PyBatch, Teller};
use crate::beside::Beside;
use crate::convert;
use crate::error::{BindError, BindResult};
use crate::realtime::PyRealtimeIndicators;
use crate::store::PyStore;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Replay", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyReplay {
    replay: Mutex<Replay>,
    teller: Teller,
}

#[pymethods]
impl PyReplay {
    #[new]
    #[pyo3(signature = (session, sources, *, close, indicators=None))]
    fn new(
        session: &Bound<'_, PyStore>,
        sources: Vec<(String, Bound<'_, PyBars>)>,
        close: i64,
        indicators: Option<&Bound<'_, PyRealtimeIndicators>>,
    ) -> BindResult<Self> {
        let store = session.get();
        let py = session.py();
        let indicators = indicators
            .map(|given| given.get().of(&store.store))
            .transpose()?;
        let replay = loop {
            let lanes = lanes(&store.store.directory(), &sources, close)?;
            let core = &store.store;
            // A symbol that was removed meanwhile is looked up again, and not found.
            let helper = Beside::where_it_helps().map(|beside| Box::new(beside) as _);
            if let Some(replay) = py.detach(|| Replay::new(core.clone(), lanes, close, helper))? {
                break replay;
            }
        };
        let replay = match indicators {
            Some(indicators) => replay.with_indicators(indicators),
            None => replay,
        };
        Ok(Self {
            replay: Mutex::new(replay),
            teller: Teller::new(session),
        })
    }

    fn close(&self, py: Python<'_>) -> BindResult<()> {
        let mut replay = self.idle()?;
        let running: &mut Replay = &mut replay;
        py.detach(|| running.finish());
        Ok(())
    }

    #[getter]
    fn next_ts(&self, py: Python<'_>) -> BindResult<i64> {
        let mut replay = self.idle()?;
        let running: &mut Replay = &mut replay;
        Ok(py.detach(move || running.next_ts()))
    }

    #[pyo3(signature = (*, each_instant=false, intervals=None, most_bars=200_000, until=None))]
    fn run(
        &self,
        py: Python<'_>,
        each_instant: bool,
        intervals: Option<Vec<Bound<'_, PyAny>>>,
        most_bars: u64,
        until: Option<i64>,
    ) -> BindResult<PyBatch> {
        let wake = match (each_instant, intervals) {
            (true, _) => Wake::EachInstant,
            (false, Some(wanted)) => Wake::Intervals(
                wanted
                    .iter()
                    .map(convert::interval)
                    .collect::<BindResult<_>>()?,
            ),
            (false, None) => Wake::Never,
        };
        let mut replay = self.idle()?;
        let running: &mut Replay = &mut replay;
        let stop = self
            .teller
            .session()
            .told(py, || py.detach(|| running.run(&wake, most_bars, until)))??;
        let progress = replay.progress();
        Ok(self.teller.batch(py, stop, progress)?)
    }
}

/// The sources with the symbols they belong to.
fn lanes(
    directory: &Directory,
    sources: &[(String, Bound<'_, PyBars>)],
    close: i64,
) -> BindResult<Vec<(Arc<Entry>, Source)>> {
    let mut lanes = Vec::with_capacity(sources.len());
    for (symbol, bars) in sources {
        let entry = directory.get(symbol).ok_or_else(|| {
            BindError::Named(
                "UnknownSymbolError",
                format!("source {symbol:?} is not registered in the store"),
            )
        })?;
        let (columns, from, to) = bars.get().columns();
        let interval = bars.get().interval();
        if interval != entry.base().interval() {
            return Err(BindError::argument(format!(
                "source {symbol:?} has {interval} bars; its base interval is {}",
                entry.base().interval()
            )));
        }
        let source = Source {
            columns,
            from,
            to,
            interval,
            latest: close,
            known_at: None,
            is_sorted: bars.get().is_known_sorted(),
        };
        lanes.push((entry.clone(), source));
    }
    Ok(lanes)
}

impl PyReplay {
    /// The replay, unless another thread is running it.
    fn idle(&self) -> BindResult<MutexGuard<'_, Replay>> {
        self.teller.session().store.check_process()?;
        self.replay.try_lock().ok_or_else(|| {
            BindError::Named(
                "StateError",
                "the replay is running in another thread".into(),
            )
        })
    }
}
