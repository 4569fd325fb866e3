//! Whom to tell that an epoch is out.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

/// No epoch ever: nobody waits.
const NOBODY: u64 = u64::MAX;

/// What is called, on the thread that wrote, after an epoch came out.
#[derive(Debug)]
pub(super) struct Waker {
    /// The last epoch that was told of; `NOBODY` while nothing is to be called, so that a write costs one look.
    told: AtomicU64,
    call: Mutex<Option<Py<PyAny>>>,
}

impl Default for Waker {
    fn default() -> Self {
        Self {
            told: AtomicU64::new(NOBODY),
            call: Mutex::new(None),
        }
    }
}

impl Waker {
    pub(super) fn set(&self, call: Option<Py<PyAny>>) {
        let told = if call.is_some() { 0 } else { NOBODY };
        // What was there is dropped without the lock held: dropping may run anything.
        let before = std::mem::replace(&mut *self.call.lock(), call);
        self.told.store(told, Relaxed);
        drop(before);
    }

    #[inline]
    pub(super) fn wake(&self, py: Python<'_>, epoch: u64) -> PyResult<()> {
        let told = self.told.load(Relaxed);
        if told == NOBODY || told >= epoch {
            return Ok(());
        }
        self.call(py, epoch)
    }

    #[cold]
    fn call(&self, py: Python<'_>, epoch: u64) -> PyResult<()> {
        let Some(call) = self.call.lock().as_ref().map(|call| call.clone_ref(py)) else {
            return Ok(());
        };
        // Nobody is passed over: who began to wait after this looks at the epoch first.
        let _ = self.told.fetch_update(Relaxed, Relaxed, |told| {
            (told != NOBODY).then_some(told.max(epoch))
        });
        match call.call0(py) {
            Ok(_) => Ok(()),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                error.write_unraisable(py, Some(call.bind(py)));
                Ok(())
            }
            // An interrupt is for the program, not for who waits.
            Err(error) => Err(error),
        }
    }
}
