//! How a coroutine is to be spawned.

use std::io;
use std::panic::Location;

use tarae_context::StackSize;
use tarae_sched::Scheduler;
use tarae_task::with_coroutine;

use super::{JoinHandle, Scope, ScopedJoinHandle};
use crate::runtime::default_runtime;
use crate::runtime::driver::Driver;

/// Sets a coroutine's name and stack size, and spawns it.
///
/// As [`std::thread::Builder`].
///
/// # Examples
///
/// ```
/// let handle = tarae::thread::Builder::new()
///     .name("resizer".into())
///     .stack_size(2 << 20)
///     .spawn(|| tarae::thread::current().name() == Some("resizer"))?;
/// assert!(handle.join().unwrap());
/// # std::io::Result::Ok(())
/// ```
#[must_use = "must eventually spawn the thread"]
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<Box<str>>,
    stack_size: Option<usize>,
}

impl Builder {
    /// Returns a builder with the runtime's defaults.
    ///
    /// As [`std::thread::Builder::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// let handle = tarae::thread::Builder::new().spawn(|| 6 * 7)?;
    /// assert_eq!(handle.join().unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Sets the name, which dumps, overflow reports and [`Thread::name`](super::Thread::name) show.
    ///
    /// As [`std::thread::Builder::name`].
    ///
    /// # Panics
    ///
    /// If the name contains a null byte, when it is spawned, as in std.
    ///
    /// # Examples
    ///
    /// ```
    /// let builder = tarae::thread::Builder::new().name("baker".into());
    /// assert_eq!(builder.spawn(|| ())?.thread().name(), Some("baker"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Sets how many bytes the coroutine may use for its frames, at least. Guard and thread identity come on top, and
    /// the sum is rounded up to a power of two.
    ///
    /// As [`std::thread::Builder::stack_size`].
    ///
    /// # Examples
    ///
    /// ```
    /// let deep = tarae::thread::Builder::new().stack_size(8 << 20);
    /// let first = deep.spawn(|| {
    ///     let megabyte = std::hint::black_box([1_u8; 1 << 20]); // four times what a coroutine has otherwise
    ///     megabyte[0]
    /// })?;
    /// assert_eq!(first.join().unwrap(), 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Spawns the coroutine, on the runtime of the calling one, or on the default runtime.
    ///
    /// As [`std::thread::Builder::spawn`].
    ///
    /// # Errors
    ///
    /// `OutOfMemory` when no stack can be reserved; `WouldBlock` (`EAGAIN`) while the system grants no thread;
    /// `InvalidInput` for a stack size that no stack can have. The runtime goes on, and so does the next spawn when
    /// the pressure is gone.
    ///
    /// # Panics
    ///
    /// If the name contains a null byte.
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::thread::Builder;
    ///
    /// match Builder::new().stack_size(usize::MAX).spawn(|| ()) {
    ///     Ok(_) => unreachable!(),
    ///     Err(error) => println!("no stack can have that size: {error}"),
    /// }
    /// ```
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_at(Location::caller(), f)
    }

    /// Spawns a coroutine that may borrow, in a scope.
    ///
    /// As [`std::thread::Builder::spawn_scoped`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use tarae::thread;
    ///
    /// let words = ["one".to_string(), "two".to_string()];
    /// thread::scope(|scope| -> std::io::Result<()> {
    ///     thread::Builder::new().name("counter".into()).spawn_scoped(scope, || println!("{}", words.len()))?;
    ///     Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        scope.spawn_with(self, Location::caller(), f)
    }

    pub(crate) fn spawn_at<F, T>(
        self,
        spawned_at: &'static Location<'static>,
        f: F,
    ) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let Builder { name, stack_size } = self;
        if name.as_deref().is_some_and(|name| name.contains('\0')) {
            panic!("thread name may not contain interior null bytes");
        }
        let stack_size = stack_size.map(StackSize::usable).transpose()?;
        with_coroutine(|current| match current {
            Some(current) => Scheduler::<Driver>::spawn_beside(current, name, stack_size, spawned_at, f)
                .expect("a coroutine of this crate waits on its driver")
                .map(JoinHandle::new),
            None => default_runtime()?.try_spawn(name, stack_size, spawned_at, f),
        })
    }
}
