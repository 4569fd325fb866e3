//! Which stores belong to this process: a forked child has the memory of its parent, but none of its threads.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyCFunction};
use tapeloom_core::store::Store;

/// All stores that live. Held for a moment and only while attached, as Python is when it forks: nobody holds it then.
static STORES: Mutex<Vec<Weak<Store>>> = Mutex::new(Vec::new());

/// Keep a store in mind for as long as it lives.
pub(super) fn remember(store: &Arc<Store>) {
    let mut stores = STORES.lock();
    if stores.len() == stores.capacity() {
        stores.retain(|store| store.strong_count() > 0);
    }
    stores.push(Arc::downgrade(store));
}

/// Let every store that was made before a fork refuse in the child.
pub(crate) fn watch_forks(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    if !os.hasattr("register_at_fork")? {
        return Ok(());
    }
    let leave = PyCFunction::new_closure(py, None, None, |_args, _named| {
        for store in STORES.lock().drain(..).filter_map(|store| store.upgrade()) {
            store.leave_to_parent();
        }
    })?;
    let named = [("after_in_child", leave)].into_py_dict(py)?;
    os.call_method("register_at_fork", (), Some(&named))?;
    Ok(())
}
