//! Atomics, locks and swapped pointers, in one place, so that a model checker can stand in for them.
//!
//! Under `cfg(loom)` everything here comes from loom, which tries every order in which threads may see each other's
//! writes. Swapped pointers become a pointer behind a lock there: what `arc-swap` does inside is trusted.
//!
//! `order!` names each ordering that readers rely on, `step!` each step that waiters rely on. The models weaken one name
//! after the other and must notice.

#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU64, AtomicUsize};

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU8, AtomicU64, AtomicUsize};

#[cfg(not(loom))]
pub use arc_swap::{ArcSwap, ArcSwapOption, Cache};
#[cfg(not(loom))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(loom)]
pub use loom::sync::Condvar;
#[cfg(loom)]
pub use modelled::{ArcSwap, ArcSwapOption, Cache, Mutex, MutexGuard};

/// An ordering that readers rely on: its kind and its name.
#[cfg(not(loom))]
macro_rules! order {
    ($kind:ident, $name:literal) => {
        std::sync::atomic::Ordering::$kind
    };
}

/// An ordering that readers rely on, relaxed where the environment names it.
#[cfg(loom)]
macro_rules! order {
    ($kind:ident, $name:literal) => {
        crate::sync::weakened($name, std::sync::atomic::Ordering::$kind)
    };
}

pub(crate) use order;

/// What waiters rely on: its name, what is done, and the slip that a model must notice.
#[cfg(not(loom))]
macro_rules! step {
    ($name:literal, $done:expr, $slip:expr) => {
        $done
    };
}

/// What waiters rely on, done wrong where the environment names it.
#[cfg(loom)]
macro_rules! step {
    ($name:literal, $done:expr, $slip:expr) => {
        if crate::sync::is_named($name) {
            $slip
        } else {
            $done
        }
    };
}

pub(crate) use step;

/// Let the lock go and sleep until somebody notifies, for one slice at most; the lock is held again afterwards.
///
/// A model checker knows no time: under it the sleep is one without an end, so that a lost wake-up is a deadlock.
pub(crate) fn sleep<'a, T>(
    condition: &Condvar,
    held: MutexGuard<'a, T>,
    slice: std::time::Duration,
) -> MutexGuard<'a, T> {
    #[cfg(not(loom))]
    {
        let mut held = held;
        condition.wait_for(&mut held, slice);
        held
    }
    #[cfg(loom)]
    {
        let _ = slice;
        match condition.wait(held) {
            Ok(held) => held,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Let others go on before looking again.
pub(crate) fn pause() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

#[cfg(loom)]
pub(crate) fn weakened(
    name: &str,
    kind: std::sync::atomic::Ordering,
) -> std::sync::atomic::Ordering {
    if is_named(name) {
        std::sync::atomic::Ordering::Relaxed
    } else {
        kind
    }
}

/// Whether the environment names this ordering or step.
#[cfg(loom)]
pub(crate) fn is_named(name: &str) -> bool {
    static NAMED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let named = NAMED.get_or_init(|| std::env::var("TAPELOOM_WEAKEN").unwrap_or_default());
    named == name
}

/// What `arc-swap` and `parking_lot` offer, made of loom's locks.
#[cfg(loom)]
mod modelled {
    use std::sync::Arc;

    pub use loom::sync::MutexGuard;

    /// A lock that does not poison.
    #[derive(Debug)]
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A lock around a value.
        pub fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        /// Wait for the lock.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }

        /// Take the lock if it is free.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// A pointer that is swapped as a whole.
    #[derive(Debug)]
    pub struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        /// Point to a new value.
        pub fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        /// The pointer.
        pub fn load(&self) -> Arc<T> {
            self.load_full()
        }

        /// The pointer.
        pub fn load_full(&self) -> Arc<T> {
            self.0.lock().clone()
        }

        /// Point to something else.
        pub fn store(&self, value: Arc<T>) {
            *self.0.lock() = value;
        }
    }

    impl<T: Default> Default for ArcSwap<T> {
        fn default() -> Self {
            Self::from_pointee(T::default())
        }
    }

    /// A pointer as it was when it was last looked at.
    #[derive(Debug)]
    pub struct Cache<A, T> {
        pointer: A,
        seen: T,
    }

    impl<A: std::ops::Deref<Target = ArcSwap<T>>, T> Cache<A, Arc<T>> {
        /// As it is now.
        pub fn new(pointer: A) -> Self {
            let seen = pointer.load_full();
            Self { pointer, seen }
        }

        /// Look again.
        pub fn load(&mut self) -> &Arc<T> {
            self.seen = self.pointer.load_full();
            &self.seen
        }
    }

    /// A pointer that may be absent.
    #[derive(Debug)]
    pub struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

    impl<T> ArcSwapOption<T> {
        /// The pointer.
        pub fn load_full(&self) -> Option<Arc<T>> {
            self.0.lock().clone()
        }

        /// Point to something else, or to nothing.
        pub fn store(&self, value: Option<Arc<T>>) {
            *self.0.lock() = value;
        }
    }

    impl<T> Default for ArcSwapOption<T> {
        fn default() -> Self {
            Self(Mutex::new(None))
        }
    }
}
