//! `Live`: a running session that takes bars as they arrive, detached from the interpreter.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use tapeloom_core::bar::Bar;
use tapeloom_core::live::{Live, Patience, Step};
use tapeloom_core::store::{Directory, Entry};

use crate::bar::PyBarData;
use crate::batch::{PyBatch, Teller};
use crate::error::{BindError, BindResult};
use crate::realtime::PyRealtimeIndicators;
use crate::store::PyStore;

/// What a step changed, and position and reason of each bar that was refused.
pub(crate) type Stepped = (PyBatch, Vec<(usize, String)>);

/// A step with so many bars takes some microseconds; one without any may end the buckets of all symbols.
const FEW: usize = 20;

/// See `_core.pyi`.
#[pyclass(frozen, name = "Live", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyLive {
    live: Mutex<Live>,
    patience: Patience,
    teller: Teller,
}

#[pymethods]
impl PyLive {
    #[new]
    #[pyo3(signature = (session, *, grace, tolerance, indicators=None))]
    fn new(
        session: &Bound<'_, PyStore>,
        grace: i64,
        tolerance: i64,
        indicators: Option<&Bound<'_, PyRealtimeIndicators>>,
    ) -> BindResult<Self> {
        if grace < 0 || tolerance < 0 {
            return Err(BindError::argument(format!(
                "grace is {grace} ns and tolerance {tolerance} ns; both must be 0 or more"
            )));
        }
        let store = session.get().store.clone();
        let indicators = indicators.map(|given| given.get().of(&store)).transpose()?;
        let patience = Patience { grace, tolerance };
        let live = session
            .py()
            .detach(|| Live::new(store, patience, indicators));
        Ok(Self {
            live: Mutex::new(live),
            patience,
            teller: Teller::new(session),
        })
    }

    #[getter]
    fn grace(&self) -> i64 {
        self.patience.grace
    }

    #[getter]
    fn tolerance(&self) -> i64 {
        self.patience.tolerance
    }

    #[getter]
    fn session(&self, py: Python<'_>) -> Py<PyStore> {
        self.teller.session_object(py)
    }

    pub(crate) fn step(
        &self,
        py: Python<'_>,
        bars: Vec<Bound<'_, PyBarData>>,
        clock: i64,
    ) -> BindResult<Stepped> {
        let store = self.teller.session().store.clone();
        let mut live = self.idle()?;
        let running: &mut Live = &mut live;
        let step = loop {
            let arrivals = arrivals(&store.directory(), &bars)?;
            let step = self
                .teller
                .session()
                .told(py, || step(py, running, &arrivals, clock))??;
            // A symbol that was removed meanwhile is looked up again, and not found.
            if let Some(step) = step {
                break step;
            }
        };
        let progress = live.progress();
        let refused = step.refused.into_iter();
        let refused = refused.map(|(at, error)| (at, error.to_string())).collect();
        Ok((self.teller.batch(py, step.stop, progress)?, refused))
    }

    fn close(&self, py: Python<'_>) -> BindResult<()> {
        let mut live = self.idle()?;
        let running: &mut Live = &mut live;
        py.detach(|| running.finish());
        Ok(())
    }
}

impl PyLive {
    /// Refuse what a step would refuse as a whole, before anything is done with it.
    pub(crate) fn check(&self, bars: &[Bound<'_, PyBarData>]) -> BindResult<()> {
        arrivals(&self.teller.session().store.directory(), bars).map(|_| ())
    }

    /// The session, unless another thread takes a step.
    fn idle(&self) -> BindResult<MutexGuard<'_, Live>> {
        self.live.try_lock().ok_or_else(|| {
            BindError::Named(
                "StateError",
                "the session takes bars in another thread".into(),
            )
        })
    }
}

/// Take a step; attached where it takes less time than to come back into the interpreter, and waits for nobody.
fn step(
    py: Python<'_>,
    live: &mut Live,
    arrivals: &[(Arc<Entry>, Bar)],
    clock: i64,
) -> tapeloom_core::Result<Option<Step>> {
    if (1..=FEW).contains(&arrivals.len())
        && let Some(step) = live.try_step(arrivals, clock)?
    {
        return Ok(step);
    }
    py.detach(|| live.step(arrivals, clock))
}

fn arrivals(
    directory: &Directory,
    bars: &[Bound<'_, PyBarData>],
) -> BindResult<Vec<(Arc<Entry>, Bar)>> {
    let mut found = Vec::with_capacity(bars.len());
    for bar in bars {
        let bar = bar.get();
        let entry = directory.get(bar.symbol()).ok_or_else(|| {
            BindError::Named(
                "UnknownSymbolError",
                format!("a bar of {} arrived, which is not kept", bar.symbol()),
            )
        })?;
        if bar.start().is_none() {
            return Err(BindError::argument(format!(
                "a bar of {} has wall time without a zone; resolve it first",
                bar.symbol()
            )));
        }
        if bar.interval() != entry.base().interval() {
            return Err(BindError::argument(format!(
                "a {} bar of {} arrived; its base interval is {}",
                bar.interval(),
                bar.symbol(),
                entry.base().interval()
            )));
        }
        found.push((entry.clone(), bar.bar()));
    }
    Ok(found)
}
