//! The default runtime: starts on first use, and lives as long as the process.

use std::io;
use std::sync::{Mutex, OnceLock};

use super::{Builder, Runtime};

/// Returns the default runtime, starting it if need be.
///
/// # Errors
///
/// As [`Builder::build`]. Nothing is remembered: the next caller tries again.
pub(crate) fn default_runtime() -> io::Result<&'static Runtime> {
    default_runtime_of(Runtime::builder)
}

/// As [`default_runtime`], which if it has not started yet is the one that `builder` builds.
///
/// # Errors
///
/// As [`default_runtime`].
pub(crate) fn default_runtime_of(builder: impl FnOnce() -> Builder) -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _starting = STARTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = builder().build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}
