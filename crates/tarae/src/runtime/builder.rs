//! How a runtime is to be built.

use std::io;

use tarae_context::StackSize;
use tarae_sched::{Config, Scheduler};

use super::Runtime;
use super::cpus::workers_by_default;
use super::driver::Driver;

/// Builds a [`Runtime`]; from [`Runtime::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    workers: Option<usize>,
    stack_size: Option<usize>,
    name: String,
    spare_threads_max: usize,
}

/// As many as Java's virtual threads may have (256) and then some; each costs a kernel thread's stack, 20 KB in use.
const SPARE_THREADS_MAX: usize = 512;

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            workers: None,
            stack_size: None,
            name: "tarae".into(),
            spare_threads_max: SPARE_THREADS_MAX,
        }
    }

    /// Sets how many workers there are, 1 to 1,024: how many coroutines run at the same time.
    ///
    /// By default as many as there are CPUs for the thread that builds the runtime: those in its affinity mask, or fewer
    /// if the cgroups of the process have a CPU quota. That is rounded up: 1.5 CPUs are two workers, where
    /// [`available_parallelism`](crate::thread::available_parallelism) says 1.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Builder {
        self.workers = Some(workers);
        self
    }

    /// Sets how many bytes of address space a coroutine reserves, rounded up to a power of two. By default 256 KiB.
    ///
    /// 64 KiB of it are a guard, about 8 KiB the coroutine's thread identity. Memory is committed only as it is
    /// touched. The least is 128 KiB. One coroutine's size is set with
    /// [`thread::Builder::stack_size`](crate::thread::Builder::stack_size).
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets the name, with which the worker threads' names begin. By default `tarae`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// Sets how many kernel threads there may be beyond one for each worker. By default 512.
    ///
    /// Each coroutine that blocks its kernel thread, or computes without a pause, while others wait for its worker, costs
    /// one of them, as does one that is [locked](crate::lock_thread) to its thread. When there are no more, the others wait
    /// until one comes back. With 0, no worker ever changes its thread.
    #[must_use]
    pub fn spare_threads_max(mut self, threads: usize) -> Builder {
        self.spare_threads_max = threads;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a setting is out of range; what the system reports if threads or pollers cannot be made;
    /// `Unsupported` on a C library whose threads tarae does not understand.
    pub fn build(self) -> io::Result<Runtime> {
        let stack_size = match self.stack_size {
            Some(bytes) => StackSize::reserving(bytes)?,
            None => StackSize::DEFAULT,
        };
        if self.name.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a runtime's name contains a null byte"));
        }
        let workers = self.workers.unwrap_or_else(workers_by_default);
        let spare_threads_max = self.spare_threads_max;
        let config = Config { workers, stack_size, name: self.name, spare_threads_max };
        // Before the driver takes three descriptors for each worker.
        config.check()?;
        let scheduler = Scheduler::start(config, Driver::new(workers)?)?;
        Ok(Runtime { scheduler, shut_down: false })
    }
}
