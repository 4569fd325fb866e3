//! A thread beside the one that plays a session: it places the next window of the merge.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};

use parking_lot::Mutex;
use tapeloom_core::bar::Bar;
use tapeloom_core::merge::{Helper, Placing};

type Window = Box<Placing<Bar>>;

/// Places windows on a thread of its own, which begins with the first and ends with this. It knows nothing of Python.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    running: Option<Running>,
    /// One that the thread that plays has to place, for want of another.
    here: Option<Window>,
}

#[derive(Debug)]
struct Running {
    /// The window that nobody has begun.
    waiting: Arc<Mutex<Option<Window>>>,
    /// Says that there is one.
    wake: SyncSender<()>,
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
            Some(running) => running.give(window),
            None => Err(window),
        }
    }
}

impl Running {
    /// `None` where the system has no thread to spare.
    fn start() -> Option<Self> {
        let (wake, woken) = sync_channel(1);
        let (done, take) = sync_channel(1);
        let waiting = Arc::new(Mutex::new(None::<Window>));
        let given = waiting.clone();
        let work = move || {
            for () in woken {
                let Some(mut window) = given.lock().take() else {
                    // It was taken back.
                    continue;
                };
                window.place();
                if done.send(window).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("tapeloom-merge".into()).spawn(work);
        Some(Self {
            waiting,
            wake,
            take,
            thread: thread.ok()?,
            process: std::process::id(),
        })
    }

    /// Hand a window to the thread; the window again where it has ended.
    fn give(&self, window: Window) -> Result<(), Window> {
        *self.waiting.lock() = Some(window);
        // Who was woken before and has not looked yet finds this one.
        match self.wake.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => Ok(()),
            Err(TrySendError::Disconnected(())) => self.take_back().map_or(Ok(()), Err),
        }
    }

    /// The window that was handed over, unless the thread has begun it.
    fn take_back(&self) -> Option<Window> {
        self.waiting.lock().take()
    }

    /// Let the thread end, and wait until it has.
    fn stop(self) -> std::thread::Result<()> {
        drop(self.take_back());
        drop(self.wake);
        self.thread.join()
    }
}

impl Helper<Bar> for Beside {
    fn begin(&mut self, window: Window) {
        self.here = self.give(window).err();
    }

    fn end(&mut self) -> Window {
        let running = self.running.as_ref();
        // On a busy machine the thread may not have begun yet: who is here is sooner done than it.
        let unbegun = self.here.take();
        if let Some(mut window) = unbegun.or_else(|| running?.take_back()) {
            window.place();
            return window;
        }
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
