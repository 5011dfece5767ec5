//! The default runtime: starts on first use, and lives as long as the process.

use std::io;
use std::sync::{Mutex, OnceLock};

use super::Runtime;

/// Returns the default runtime, starting it if need be.
///
/// # Errors
///
/// As [`Builder::build`](super::Builder::build). Nothing is remembered: the next caller tries again.
pub(crate) fn default_runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _starting = STARTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Runtime::builder().build()?;
    Ok(RUNTIME.get_or_init(|| runtime))
}
