//! A journal that is being written by a thread of its own: what queued up during one commit is the next. It stops for good at
//! the first error.

mod journal;
mod log;
mod options;
mod state;
mod work;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::payload::{self, MOST_RECORDS};
use crate::records::Records;
pub use journal::{Journal, Start};
pub use options::Options;
use state::{Shared, State, stopped};
use work::Loop;

/// For how long somebody who waits for the disk stays awake: a sync of a quick one takes half of that.
const AWAKE: Duration = Duration::from_micros(300);

/// A journal that is being written. Any number of threads may submit; the order in which they do is the order on disk.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What the thread would do, where there is none, and after how many records it is done.
    inline: Mutex<Option<Loop>>,
    inline_records: usize,
    options: Options,
}

impl Writer {
    /// Give a journal to a thread of its own.
    #[must_use]
    pub fn new(journal: Box<dyn Journal>, start: Start, options: Options) -> Self {
        let shared = Shared::new(start);
        let (theirs, chosen) = (shared.clone(), options.clone());
        let thread = thread::Builder::new()
            .name("tapeloom-journal".to_owned())
            .spawn(move || Loop::new(journal, start, chosen).run(&theirs));
        if let Err(error) = &thread {
            let reason = Error::disk("the journal thread".as_ref(), "start", error);
            shared.state.lock().stop(reason);
        }
        Self {
            shared,
            thread: Mutex::new(thread.ok()),
            inline: Mutex::new(None),
            inline_records: usize::MAX,
            options,
        }
    }

    /// Write without a thread, whoever submits or waits: when somebody waits, and when so many records wait. The same calls
    /// then end the same way each time.
    #[must_use]
    pub fn inline(
        journal: Box<dyn Journal>,
        start: Start,
        options: Options,
        records: usize,
    ) -> Self {
        let working = Loop::new(journal, start, options.clone());
        Self {
            shared: Shared::new(start),
            thread: Mutex::new(None),
            inline: Mutex::new(Some(working)),
            inline_records: records,
            options,
        }
    }

    /// Write what waits, where no thread does.
    fn write_inline(&self) {
        let mut inline = self.inline.lock();
        if let Some(working) = inline.as_mut()
            && let Err(error) = working.catch_up(&self.shared)
        {
            self.shared.state.lock().stop(error);
            // As with a thread: after an error nothing on this file can be relied on.
            *inline = None;
        }
    }

    /// Hand over records; `None` if there was no room within `wait`. Returns the number of the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Records`] if they cannot be written; [`Error::Stopped`] and [`Error::Closed`]. Nothing is taken then.
    pub fn submit(&self, records: &Arc<Records>, wait: Duration) -> Result<Option<u64>> {
        check(records)?;
        let (waiting, bound) = self.fill();
        if waiting + records.len() > bound {
            self.write_inline();
        }
        let mut state = self.shared.state.lock();
        state.check()?;
        if !self.has_room(&state, records) {
            state.awaited_seq = state.last_seq;
            self.shared.work.notify_one();
            self.shared.news.wait_for(&mut state, wait);
            state.check()?;
            if !self.has_room(&state, records) {
                return Ok(None);
            }
        }
        let seq = self.enqueue(state, records);
        if self.fill().0 >= self.inline_records {
            self.write_inline();
        }
        Ok(Some(seq))
    }

    /// As [`Writer::submit`], where that waits for nobody; `None` if it would.
    ///
    /// # Errors
    ///
    /// As of [`Writer::submit`].
    pub fn submit_at_once(&self, records: &Arc<Records>) -> Result<Option<u64>> {
        // Without a thread it may be this one that has to write.
        if self.inline_records != usize::MAX {
            return Ok(None);
        }
        check(records)?;
        let Some(state) = self.shared.state.try_lock() else {
            return Ok(None);
        };
        state.check()?;
        if !self.has_room(&state, records) {
            return Ok(None);
        }
        Ok(Some(self.enqueue(state, records)))
    }

    fn has_room(&self, state: &State, records: &Records) -> bool {
        state.waiting.is_empty()
            || state.waiting_records + records.len() <= self.options.queue_records
    }

    /// Returns the number of the last record.
    fn enqueue(&self, mut state: MutexGuard<'_, State>, records: &Arc<Records>) -> u64 {
        let enough = self.options.group_records;
        let lies = state.waiting_records;
        let lingers = !self.options.linger.is_zero();
        if lies == 0 && lingers {
            state.waiting_since = Some(Instant::now());
        }
        state.waiting_records += records.len();
        state.last_seq += records.len() as u64;
        match state.waiting.back_mut().and_then(Arc::get_mut) {
            // Nobody writes it yet, and one long piece is written faster than many short ones.
            Some(last) if last.len() + records.len() <= enough => last.extend(records),
            _ => state.waiting.push_back(records.clone()),
        }
        let (seq, waiting) = (state.last_seq, state.waiting_records);
        drop(state);
        // Where records lie already, the thread knows when to come; unless a group is full before.
        if !lingers || lies == 0 || (lies < enough && waiting >= enough) {
            self.shared.work.notify_one();
        }
        seq
    }

    /// Number of the last record handed over, as long as more can be.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] and [`Error::Closed`].
    pub fn running(&self) -> Result<u64> {
        let state = self.shared.state.lock();
        state.check().map(|()| state.last_seq)
    }

    /// Whether a record is on disk, waiting no longer than `wait` for it.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if it is not and never will be.
    pub fn wait_durable(&self, seq: u64, wait: Duration) -> Result<bool> {
        if self.durable_seq() < seq {
            self.write_inline();
        }
        let end = Instant::now().checked_add(wait);
        if self.shared.is_soon_durable(seq, wait.min(AWAKE)) {
            return Ok(true);
        }
        let mut state = self.shared.state.lock();
        loop {
            if state.durable.last_seq >= seq {
                return Ok(true);
            }
            if let Some(error) = &state.stopped {
                return Err(stopped(error));
            }
            if state.is_done {
                return Err(Error::Closed);
            }
            if state.awaited_seq < seq {
                state.awaited_seq = seq;
                self.shared.work.notify_one();
            }
            let timed_out = match end {
                Some(end) => self.shared.news.wait_until(&mut state, end).timed_out(),
                None => self.shared.news.wait_for(&mut state, wait).timed_out(),
            };
            if timed_out && state.durable.last_seq < seq && state.stopped.is_none() {
                return Ok(false);
            }
        }
    }

    /// Number of the last record on disk.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.shared.durable_seq.load(Ordering::Acquire)
    }

    /// Number of the last record handed over.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.shared.state.lock().last_seq
    }

    /// Where a next file has to begin.
    #[must_use]
    pub fn durable(&self) -> Start {
        self.shared.state.lock().durable
    }

    /// Records that wait, and how many may.
    #[must_use]
    pub fn fill(&self) -> (usize, usize) {
        (
            self.shared.state.lock().waiting_records,
            self.options.queue_records,
        )
    }

    /// Why it stopped, if it did.
    #[must_use]
    pub fn stopped(&self) -> Option<Error> {
        self.shared.state.lock().stopped.clone()
    }

    /// Stop it from outside: what is not durable now never will be in this file.
    pub fn stop(&self, reason: Error) {
        self.shared.state.lock().stop(reason);
        self.shared.work.notify_all();
        self.shared.news.notify_all();
    }

    /// What was handed over and is not durable, oldest first. Only after it stopped: before that it changes.
    #[must_use]
    pub fn waiting(&self) -> Vec<Arc<Records>> {
        let state = self.shared.state.lock();
        match state.stopped {
            Some(_) => state.waiting.iter().cloned().collect(),
            None => Vec::new(),
        }
    }

    /// Write what waits, say so in the witness, fold the log and close. Again: nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if it stopped, now or before.
    pub fn close(&self) -> Result<()> {
        self.shared.state.lock().is_closing = true;
        self.shared.work.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic there has nowhere to go; the state says that it did not end in order.
            let _ = thread.join();
        }
        let inline = self.inline.lock().take();
        if let Some(working) = inline {
            working.run(&self.shared);
        }
        let mut state = self.shared.state.lock();
        if !state.is_done && state.stopped.is_none() {
            state.stop(Error::Closed);
        }
        state.is_done = true;
        let ended = match &state.stopped {
            Some(error) => Err(stopped(error)),
            None => Ok(()),
        };
        drop(state);
        self.shared.news.notify_all();
        ended
    }

    /// Forget the thread: in a forked child there is none.
    pub fn abandon(&self) {
        if let Some(mut thread) = self.thread.try_lock() {
            std::mem::forget(thread.take());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let is_open = self.thread.lock().is_some() || self.inline.lock().is_some();
        if is_open {
            let _ = self.close();
        }
    }
}

fn check(records: &Records) -> Result<()> {
    // The one place that knows every rule; what is made is thrown away only for odd records.
    let is_plain = records.is_square()
        && (1..=MOST_RECORDS).contains(&records.len())
        && records.texts.is_empty()
        && records.joined.iter().all(|&joined| joined <= 1)
        && records
            .kind
            .iter()
            .all(|&kind| crate::Kind::from_byte(kind).is_some());
    if is_plain {
        return Ok(());
    }
    payload::encode(records).map(|_| ())
}
