//! `JournalReader`: a journal that ended, read group by group, and the file that it goes on in.

use std::path::PathBuf;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tapeloom_journal::{FileOptions, Hash, Reader};

use super::error::{check_process, of_journal};
use super::{PyJournal, PyJournalRecords, PySimulatedDisk, options};
use crate::error::{BindError, BindResult};

/// See `_core.pyi`.
#[pyclass(frozen, name = "JournalReader", module = "tapeloom._core")]
#[derive(Debug)]
pub(crate) struct PyJournalReader {
    reader: Mutex<Option<Reader>>,
    path: PathBuf,
    process: u32,
}

#[pymethods]
impl PyJournalReader {
    #[new]
    #[pyo3(signature = (path, *, owner, lenient=false, only_reads=false, allow_network_fs=false, disk=None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        owner: String,
        lenient: bool,
        only_reads: bool,
        allow_network_fs: bool,
        disk: Option<&Bound<'_, PySimulatedDisk>>,
    ) -> BindResult<Self> {
        let files = FileOptions {
            owner,
            allow_network_fs,
            only_reads,
            ..FileOptions::default()
        };
        let disk = disk.map(|disk| disk.get().0.clone());
        let reader = py
            .detach(|| match &disk {
                Some(disk) => Reader::open_simulated(disk, &path, lenient),
                None => Reader::open(&path, &files, lenient),
            })
            .map_err(of_journal)?;
        Ok(Self {
            reader: Mutex::new(Some(reader)),
            path,
            process: std::process::id(),
        })
    }

    #[staticmethod]
    #[pyo3(signature = (path, *, owner, only_reads=false))]
    fn unbegun(
        py: Python<'_>,
        path: PathBuf,
        owner: String,
        only_reads: bool,
    ) -> BindResult<Option<u64>> {
        py.detach(|| tapeloom_journal::unbegun(&path, &owner, only_reads))
            .map_err(of_journal)
    }

    #[staticmethod]
    #[pyo3(signature = (path, *, owner))]
    fn set_aside(py: Python<'_>, path: PathBuf, owner: String) -> BindResult<Option<PathBuf>> {
        py.detach(|| tapeloom_journal::set_aside(&path, &owner))
            .map_err(of_journal)
    }

    #[getter]
    fn first<'py>(&self, py: Python<'py>) -> BindResult<Option<(u64, Bound<'py, PyBytes>)>> {
        let first = self.with(py, |reader| Ok(reader.first()))?;
        Ok(first.map(|(seq, hash)| (seq, PyBytes::new(py, &hash))))
    }

    #[getter]
    fn end<'py>(&self, py: Python<'py>) -> BindResult<(u64, Bound<'py, PyBytes>)> {
        let (seq, hash): (u64, Hash) =
            self.with(py, |reader| Ok((reader.last_seq(), reader.hash())))?;
        Ok((seq, PyBytes::new(py, &hash)))
    }

    #[getter]
    fn groups(&self, py: Python<'_>) -> BindResult<u64> {
        self.with(py, |reader| Ok(reader.groups()))
    }

    #[getter]
    fn witnessed(&self, py: Python<'_>) -> BindResult<Option<(u64, bool)>> {
        self.with(py, |reader| Ok(reader.witnessed()))
    }

    #[getter]
    fn skipped(&self, py: Python<'_>) -> BindResult<Vec<(u64, u64, String)>> {
        self.with(py, |reader| {
            let all = reader.skipped().iter();
            Ok(all
                .map(|lost| (lost.first_seq, lost.last_seq, lost.rule.clone()))
                .collect())
        })
    }

    fn stop_after(&self, py: Python<'_>, seq: u64) -> BindResult<()> {
        self.with(py, |reader| {
            reader.stop_after(seq);
            Ok(())
        })
    }

    fn read(&self, py: Python<'_>, rows: usize) -> BindResult<Option<PyJournalRecords>> {
        let found = self.with(py, |reader| reader.read(rows))?;
        Ok(found.map(|(first_seq, records)| PyJournalRecords {
            first_seq,
            records,
            path: self.path.clone(),
        }))
    }

    fn salvage_into(&self, py: Python<'_>, to: &Bound<'_, PyJournal>) -> BindResult<()> {
        let writer = &to.get().writer;
        self.with(py, |reader| reader.salvage_into(writer))
    }

    #[pyo3(signature = (*, group_records=1_000, queue_records=65_536, linger_seconds=0.0, witness_seconds=1.0, checkpoint_seconds=5.0))]
    fn resume(
        &self,
        py: Python<'_>,
        group_records: usize,
        queue_records: usize,
        linger_seconds: f64,
        witness_seconds: f64,
        checkpoint_seconds: f64,
    ) -> BindResult<PyJournal> {
        check_process(self.process)?;
        let options = options(
            group_records,
            queue_records,
            linger_seconds,
            witness_seconds,
            checkpoint_seconds,
        )?;
        let reader = py.detach(|| self.reader.lock().take());
        let reader = reader.ok_or_else(|| self.closed())?;
        let writer = py.detach(|| reader.resume(options)).map_err(of_journal)?;
        Ok(PyJournal::of(writer))
    }

    fn close(&self, py: Python<'_>) -> BindResult<()> {
        check_process(self.process)?;
        py.detach(|| drop(self.reader.lock().take()));
        Ok(())
    }
}

impl PyJournalReader {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut Reader) -> tapeloom_journal::Result<T> + Send,
    ) -> BindResult<T> {
        check_process(self.process)?;
        py.detach(|| self.reader.lock().as_mut().map(job))
            .ok_or_else(|| self.closed())?
            .map_err(of_journal)
    }

    fn closed(&self) -> BindError {
        BindError::Named(
            "StateError",
            format!("{}: the reader was closed", self.path.display()),
        )
    }
}

impl Drop for PyJournalReader {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // To close it here would end the claim of the parent.
            std::mem::forget(self.reader.get_mut().take());
        }
    }
}
