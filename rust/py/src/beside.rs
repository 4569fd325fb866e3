//! A thread beside the one that plays a session: it places the next window of the merge.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use tapeloom_core::bar::Bar;
use tapeloom_core::merge::{Helper, Placing};

type Window = Box<Placing<Bar>>;

/// Places windows on a thread of its own, which begins with the first and ends with this. It knows nothing of Python.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    running: Option<Running>,
    /// One that was placed on the thread that plays, for want of another.
    here: Option<Window>,
}

#[derive(Debug)]
struct Running {
    give: SyncSender<Window>,
    take: Receiver<Window>,
    thread: JoinHandle<()>,
    process: u32,
}

impl Beside {
    /// One that helps where there is a processor to do so; `None` where there is not.
    pub(crate) fn where_it_helps() -> Option<Self> {
        // Asking takes as long as some hundred bars.
        static PROCESSORS: OnceLock<usize> = OnceLock::new();
        let count = || std::thread::available_parallelism().map_or(1, usize::from);
        (*PROCESSORS.get_or_init(count) > 1).then(Self::default)
    }

    /// Hand a window to the thread; the window again where there is none.
    fn give(&mut self, window: Window) -> Result<(), Window> {
        if self.running.is_none() {
            self.running = Running::start();
        }
        match &self.running {
            Some(running) => running.give.send(window).map_err(|unsent| unsent.0),
            None => Err(window),
        }
    }
}

impl Running {
    /// `None` where the system has no thread to spare.
    fn start() -> Option<Self> {
        let (give, given) = sync_channel::<Window>(1);
        let (done, take) = sync_channel(1);
        let work = move || {
            for mut window in given {
                window.place();
                if done.send(window).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("tapeloom-merge".into()).spawn(work);
        Some(Self {
            give,
            take,
            thread: thread.ok()?,
            process: std::process::id(),
        })
    }

    /// Let the thread end, and wait until it has.
    fn stop(self) -> std::thread::Result<()> {
        drop(self.give);
        self.thread.join()
    }
}

impl Helper<Bar> for Beside {
    fn begin(&mut self, window: Window) {
        if let Err(mut window) = self.give(window) {
            window.place();
            self.here = Some(window);
        }
    }

    fn end(&mut self) -> Window {
        if let Some(window) = self.here.take() {
            return window;
        }
        let running = self.running.as_ref();
        match running.and_then(|running| running.take.recv().ok()) {
            Some(window) => window,
            None => self.fail(),
        }
    }
}

impl Beside {
    /// The thread ended in a panic, which goes on here.
    fn fail(&mut self) -> ! {
        let cause = match self.running.take().map(Running::stop) {
            Some(Err(cause)) => cause,
            _ => Box::new("no window was begun"),
        };
        std::panic::resume_unwind(cause)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        match self.running.take() {
            // In a forked child there is no such thread, and nobody to let go of what it held.
            Some(running) if running.process != std::process::id() => std::mem::forget(running),
            Some(running) => drop(running.stop()),
            None => {}
        }
    }
}
