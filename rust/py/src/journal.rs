//! `Journal`, `JournalReader`, `JournalRecords`: the journal of a session, written and read. Detached while they wait.

mod error;
mod reading;
mod records;
mod replaying;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tapeloom_journal::{
    Error, FileOptions, Options, Records, SimulatedDisk, SqliteJournal, Start, Writer,
};

use crate::bar::PyBarData;
use crate::bars::PyBars;
use crate::error::{BindError, BindResult};
use crate::live::{PyLive, Stepped};
use crate::store::{Pair, Plain};
use error::{check_process, of_journal};
pub(crate) use reading::PyJournalReader;
pub(crate) use records::PyJournalRecords;
use records::{event, of_bars, of_each, of_step};
pub(crate) use replaying::PyJournalReplay;

/// How long a wait sleeps before it looks for an interrupt.
const SLICE: Duration = Duration::from_millis(50);

/// See `_core.pyi`.
#[pyclass(frozen, name = "Journal", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyJournal {
    writer: Writer,
    process: u32,
}

#[pymethods]
impl PyJournal {
    #[new]
    #[pyo3(signature = (path, *, owner, allow_network_fs=false, last_seq=0, previous_hash=None, group_records=1_000, queue_records=65_536, linger_seconds=0.0, witness_seconds=1.0, checkpoint_seconds=5.0, disk=None))]
    #[expect(clippy::too_many_arguments, reason = "all by keyword")]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        owner: String,
        allow_network_fs: bool,
        last_seq: u64,
        previous_hash: Option<&[u8]>,
        group_records: usize,
        queue_records: usize,
        linger_seconds: f64,
        witness_seconds: f64,
        checkpoint_seconds: f64,
        disk: Option<&Bound<'_, PySimulatedDisk>>,
    ) -> BindResult<Self> {
        let options = options(
            group_records,
            queue_records,
            linger_seconds,
            witness_seconds,
            checkpoint_seconds,
        )?;
        let hash = match previous_hash {
            None => tapeloom_journal::GENESIS,
            Some(bytes) => bytes
                .try_into()
                .map_err(|_| BindError::argument("previous_hash must have 32 bytes"))?,
        };
        if let Some(disk) = disk {
            let writer = disk.get().0.create(&path, last_seq, hash, options);
            return Ok(Self::of(writer.map_err(of_journal)?));
        }
        let files = FileOptions {
            owner,
            allow_network_fs,
            ..FileOptions::default()
        };
        let writer = py
            .detach(|| -> tapeloom_journal::Result<_> {
                let journal = SqliteJournal::create(&path, &files, last_seq, &hash)?;
                let start = Start {
                    batch_seq: 0,
                    last_seq,
                    hash,
                };
                Ok(Writer::new(Box::new(journal), start, options))
            })
            .map_err(of_journal)?;
        Ok(Self::of(writer))
    }

    #[pyo3(signature = (kind, *, arrival, flags=0, symbol=0, extra=0, ts=0, interval=None, text="", timeout))]
    #[expect(clippy::too_many_arguments, reason = "one per field, all by keyword")]
    fn put_event(
        &self,
        py: Python<'_>,
        kind: u8,
        arrival: i64,
        flags: u8,
        symbol: u32,
        extra: i32,
        ts: i64,
        interval: Option<&Bound<'_, PyAny>>,
        text: &str,
        timeout: f64,
    ) -> BindResult<u64> {
        let mut record = event(kind, interval)?;
        record.arrival = arrival;
        record.flags = flags;
        record.symbol = symbol;
        record.extra = extra;
        record.ts = ts;
        record.text = text.to_owned();
        let mut records = Records::default();
        records.push(record);
        self.put(py, records, timeout)
    }

    #[pyo3(signature = (bars, *, kind, arrival, symbol, extra, timeout))]
    #[expect(clippy::too_many_arguments, reason = "one per field, all by keyword")]
    fn put_bars(
        &self,
        py: Python<'_>,
        bars: &Bound<'_, PyBars>,
        kind: u8,
        arrival: i64,
        symbol: u32,
        extra: i32,
        timeout: f64,
    ) -> BindResult<u64> {
        self.put(
            py,
            of_bars(bars.get(), kind, arrival, symbol, extra)?,
            timeout,
        )
    }

    #[pyo3(signature = (live, bars, clock, *, corrections, ticked, numbers, timeout))]
    #[expect(clippy::too_many_arguments, reason = "one per fact, most by keyword")]
    fn put_step(
        &self,
        live: &Bound<'_, PyLive>,
        bars: Vec<Bound<'_, PyBarData>>,
        clock: i64,
        corrections: Vec<i64>,
        ticked: Option<i64>,
        numbers: &Bound<'_, PyDict>,
        timeout: f64,
    ) -> BindResult<u64> {
        self.put_step_of(live, &bars, clock, &corrections, ticked, numbers, timeout)
    }

    #[pyo3(signature = (live, bars, clock, *, corrections, ticked, numbers, timeout))]
    #[expect(clippy::too_many_arguments, reason = "one per fact, most by keyword")]
    fn put_and_step(
        &self,
        py: Python<'_>,
        live: &Bound<'_, PyLive>,
        bars: Vec<Bound<'_, PyBarData>>,
        clock: i64,
        corrections: Vec<i64>,
        ticked: Option<i64>,
        numbers: &Bound<'_, PyDict>,
        timeout: f64,
    ) -> BindResult<Stepped> {
        self.put_step_of(live, &bars, clock, &corrections, ticked, numbers, timeout)?;
        live.get().step(py, bars, clock)
    }

    /// Whether each pair is a symbol and a bar of it with an instant.
    #[staticmethod]
    fn are_resolved(bars: &Bound<'_, PyList>) -> bool {
        bars.iter().all(|pair| {
            pair.extract::<Pair<'_>>()
                .is_ok_and(|pair| Plain::of(&pair).is_some())
        })
    }

    #[pyo3(signature = (bars, *, kind, arrival, extra, numbers, timeout))]
    #[expect(clippy::too_many_arguments, reason = "one per fact, all by keyword")]
    fn put_each(
        &self,
        py: Python<'_>,
        bars: &Bound<'_, PyList>,
        kind: u8,
        arrival: i64,
        extra: i32,
        numbers: &Bound<'_, PyDict>,
        timeout: f64,
    ) -> BindResult<u64> {
        self.put(py, of_each(bars, kind, arrival, extra, numbers)?, timeout)
    }

    /// Wait until a record is on disk; `False` when the time is up.
    fn wait_durable(&self, py: Python<'_>, seq: u64, timeout: f64) -> BindResult<bool> {
        self.check_process()?;
        sliced(py, timeout, |slice| {
            Ok(self.writer.wait_durable(seq, slice)?.then_some(()))
        })
        .map(|found| found.is_some())
    }

    #[getter]
    fn durable_seq(&self) -> u64 {
        self.writer.durable_seq()
    }

    #[getter]
    fn last_seq(&self) -> u64 {
        self.writer.last_seq()
    }

    #[getter]
    fn durable<'py>(&self, py: Python<'py>) -> (u64, Bound<'py, PyBytes>) {
        let at = self.writer.durable();
        (at.last_seq, PyBytes::new(py, &at.hash))
    }

    #[getter]
    fn fill(&self) -> (usize, usize) {
        self.writer.fill()
    }

    #[getter]
    fn stopped(&self) -> Option<String> {
        self.writer.stopped().map(|error| error.to_string())
    }

    fn stop(&self, reason: String) {
        self.writer.stop(Error::Stopped { reason });
    }

    /// Copy what a stopped journal still holds to another one; returns how many records.
    fn copy_waiting(
        &self,
        py: Python<'_>,
        to: &Bound<'_, Self>,
        timeout: f64,
    ) -> BindResult<usize> {
        let waiting = self.writer.waiting();
        let count = waiting.iter().map(|records| records.len()).sum();
        for records in waiting {
            to.get().put_shared(py, &records, timeout)?;
        }
        Ok(count)
    }

    fn close(&self, py: Python<'_>) -> BindResult<()> {
        self.check_process()?;
        py.detach(|| self.writer.close()).map_err(of_journal)
    }
}

impl PyJournal {
    fn of(writer: Writer) -> Self {
        Self {
            writer,
            process: std::process::id(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one per fact")]
    fn put_step_of(
        &self,
        live: &Bound<'_, PyLive>,
        bars: &[Bound<'_, PyBarData>],
        clock: i64,
        corrections: &[i64],
        ticked: Option<i64>,
        numbers: &Bound<'_, PyDict>,
        timeout: f64,
    ) -> BindResult<u64> {
        self.check_process()?;
        live.get().check(bars)?;
        let records = of_step(bars, corrections, clock, ticked, numbers)?;
        if bars.is_empty() {
            return self.writer.running().map_err(of_journal);
        }
        self.put(live.py(), records, timeout)
    }

    fn put(&self, py: Python<'_>, records: Records, timeout: f64) -> BindResult<u64> {
        self.check_process()?;
        self.put_shared(py, &Arc::new(records), timeout)
    }

    fn put_shared(&self, py: Python<'_>, records: &Arc<Records>, timeout: f64) -> BindResult<u64> {
        // To come back into the interpreter would take longer than to put them.
        if let Some(seq) = self.writer.submit_at_once(records).map_err(of_journal)? {
            return Ok(seq);
        }
        let seq = sliced(py, timeout, |slice| self.writer.submit(records, slice))?;
        seq.ok_or_else(|| {
            let reason = format!("the disk has not kept up for {timeout} s, and the queue is full");
            self.writer.stop(Error::Stopped {
                reason: reason.clone(),
            });
            of_journal(Error::Stopped { reason })
        })
    }

    fn check_process(&self) -> BindResult<()> {
        check_process(self.process)
    }
}

impl Drop for PyJournal {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            self.writer.abandon();
            return;
        }
        // Closing waits for the disk, and the thread never asks for the interpreter.
        Python::attach(|py| {
            py.detach(|| {
                let _ = self.writer.close();
            });
        });
    }
}

/// See `_core.pyi`.
#[pyclass(frozen, name = "SimulatedDisk", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PySimulatedDisk(SimulatedDisk);

#[pymethods]
impl PySimulatedDisk {
    #[new]
    #[pyo3(signature = (*, commit_records=1))]
    fn new(commit_records: usize) -> BindResult<Self> {
        if commit_records == 0 {
            return Err(BindError::argument(
                "commit_records is 0; it must be 1 or more",
            ));
        }
        Ok(Self(SimulatedDisk::new(commit_records)))
    }

    #[getter]
    fn paths(&self) -> Vec<PathBuf> {
        self.0.paths()
    }

    #[getter]
    fn operations(&self) -> u64 {
        self.0.operations()
    }

    #[pyo3(signature = (operations=0, *, keeps_failed=false))]
    fn fail_after(&self, operations: u64, keeps_failed: bool) {
        self.0.fail_after(operations, keeps_failed);
    }

    fn crash(&self) {
        self.0.crash();
    }
}

fn options(
    group_records: usize,
    queue_records: usize,
    linger_seconds: f64,
    witness_seconds: f64,
    checkpoint_seconds: f64,
) -> BindResult<Options> {
    let seconds = |name: &str, value: f64| {
        Duration::try_from_secs_f64(value).map_err(|_| {
            BindError::argument(format!(
                "{name} is {value}; it must be 0 or more, such as 1.0"
            ))
        })
    };
    if group_records == 0 || queue_records == 0 {
        return Err(BindError::argument(
            "group_records and queue_records must be 1 or more",
        ));
    }
    Ok(Options {
        group_records,
        queue_records,
        linger: seconds("linger_seconds", linger_seconds)?,
        witness_every: seconds("witness_seconds", witness_seconds)?,
        checkpoint_every: seconds("checkpoint_seconds", checkpoint_seconds)?,
        ..Options::default()
    })
}

/// Try slice by slice, detached, until there is an answer, an interrupt, or the time is up.
fn sliced<T: Send>(
    py: Python<'_>,
    timeout: f64,
    attempt: impl Fn(Duration) -> tapeloom_journal::Result<Option<T>> + Sync,
) -> BindResult<Option<T>> {
    let end = Duration::try_from_secs_f64(timeout)
        .ok()
        .and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = end.map_or(SLICE, |end| end.saturating_duration_since(Instant::now()));
        if let Some(found) = py.detach(|| attempt(left.min(SLICE))).map_err(of_journal)? {
            return Ok(Some(found));
        }
        py.check_signals()?;
        if left.is_zero() {
            return Ok(None);
        }
    }
}
