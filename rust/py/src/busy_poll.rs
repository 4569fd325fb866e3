//! `BusyPoll`: waits for a file descriptor awake, detached from the interpreter.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use parking_lot::Mutex;
use pyo3::prelude::*;

/// See `_core.pyi`.
#[pyclass(frozen, name = "BusyPoll", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyBusyPoll(Mutex<Polled>);

#[derive(Debug)]
struct Polled {
    poll: Poll,
    events: Events,
}

#[pymethods]
impl PyBusyPoll {
    #[new]
    fn new(fd: i32) -> PyResult<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
        let events = Events::with_capacity(1);
        Ok(Self(Mutex::new(Polled { poll, events })))
    }

    /// Whether it became readable within so many ns.
    fn wait(&self, py: Python<'_>, ns: u64) -> PyResult<bool> {
        py.detach(|| {
            let mut polled = self.0.lock();
            let Polled { poll, events } = &mut *polled;
            let began = Instant::now();
            loop {
                match poll.poll(events, Some(Duration::ZERO)) {
                    Ok(()) if !events.is_empty() => return Ok(true),
                    Err(error) if error.kind() != ErrorKind::Interrupted => {
                        return Err(error.into());
                    }
                    _ => {}
                }
                if began.elapsed() >= Duration::from_nanos(ns) {
                    return Ok(false);
                }
                // Whoever else waits for this processor goes first.
                thread::yield_now();
            }
        })
    }
}
