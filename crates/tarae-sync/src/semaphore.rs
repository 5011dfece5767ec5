//! A semaphore: a number of permits, which are lent.
//!
//! Who gets them when is told in `permits.rs`.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tarae_task::Reason;

use crate::permit::{OwnedSemaphorePermit, SemaphorePermit};
use crate::permits::{self, Entry, Outcome, Permits, Refusal};
use crate::queue::Ticket;
use crate::wait::{Wait, wait};

/// Lends a number of permits; who wants one that is not there parks.
///
/// As tokio's `sync::Semaphore`, in its names and in who is served first; with timeouts besides.
///
/// Those who wait are served in the order in which they came, and nobody overtakes them: one who wants many gets them before
/// one who came later and wants one. While somebody waits, [`try_acquire`](Self::try_acquire) has nothing to give.
///
/// # Examples
///
/// ```
/// # mod tarae { pub use tarae_sync as sync; }
/// use tarae::sync::Semaphore;
///
/// let connections = Semaphore::new(2);
/// let (first, second) = (connections.acquire().unwrap(), connections.acquire().unwrap());
/// assert!(connections.try_acquire().is_err());
/// drop(first);
/// assert!(connections.try_acquire().is_ok());
/// # drop(second);
/// ```
pub struct Semaphore {
    permits: Permits,
}

/// The semaphore is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl std::error::Error for AcquireError {}

/// Why permits were not taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are not as many, or others wait for them.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Closed => "semaphore closed",
            TryAcquireError::NoPermits => "no permits available",
        })
    }
}

impl std::error::Error for TryAcquireError {}

/// Why permits were not taken in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcquireTimeoutError {
    /// The semaphore is closed.
    Closed,
    /// The time is up.
    Timeout,
}

impl fmt::Display for AcquireTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AcquireTimeoutError::Closed => "semaphore closed",
            AcquireTimeoutError::Timeout => "timed out waiting for permits",
        })
    }
}

impl std::error::Error for AcquireTimeoutError {}

impl Semaphore {
    /// The most permits that there can be.
    pub const MAX_PERMITS: usize = permits::MOST;

    /// Returns a semaphore with this many permits.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// static CONNECTIONS: tarae::sync::Semaphore = tarae::sync::Semaphore::new(100);
    ///
    /// assert_eq!(CONNECTIONS.available_permits(), 100);
    /// ```
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        assert!(permits <= Semaphore::MAX_PERMITS, "a semaphore of more than MAX_PERMITS");
        Semaphore { permits: Permits::new(permits) }
    }

    /// Takes a permit, which goes back when it is dropped.
    ///
    /// # Parks
    ///
    /// Until there is one, and nobody waits who came before.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(1);
    /// let permit = semaphore.acquire().unwrap();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1)
    }

    /// As [`acquire`](Self::acquire), for several at once. None is taken before all are there.
    ///
    /// # Parks
    ///
    /// Until there are as many, and nobody waits who came before.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let memory = tarae::sync::Semaphore::new(64);
    /// let megabytes = memory.acquire_many(16).unwrap();
    /// assert_eq!((megabytes.num_permits(), memory.available_permits()), (16, 48));
    /// ```
    pub fn acquire_many(&self, count: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_until(count, None)
            .map(|()| SemaphorePermit::new(self, count as usize))
            .map_err(|_| AcquireError(()))
    }

    /// As [`acquire`](Self::acquire), within `timeout`.
    ///
    /// # Parks
    ///
    /// Until there is one and nobody waits who came before, or the time is up.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// If the time is up, or the semaphore is closed, or will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::time::Duration;
    /// use tarae::sync::{AcquireTimeoutError, Semaphore};
    ///
    /// let none = Semaphore::new(0);
    /// assert_eq!(none.acquire_timeout(Duration::from_millis(1)).unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        self.acquire_many_timeout(1, timeout)
    }

    /// As [`acquire_many`](Self::acquire_many), within `timeout`.
    ///
    /// # Parks
    ///
    /// Until there are as many and nobody waits who came before, or the time is up.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// If the time is up, or the semaphore is closed, or will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::time::Duration;
    /// use tarae::sync::{AcquireTimeoutError, Semaphore};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let late = semaphore.acquire_many_timeout(2, Duration::from_millis(1));
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// ```
    pub fn acquire_many_timeout(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<SemaphorePermit<'_>, AcquireTimeoutError> {
        // A moment beyond the end of time never comes.
        self.acquire_until(count, Instant::now().checked_add(timeout))
            .map(|()| SemaphorePermit::new(self, count as usize))
    }

    /// Takes a permit, if there is one now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// If not, or if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    /// # drop(permit);
    /// ```
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// As [`try_acquire`](Self::try_acquire), for several at once.
    ///
    /// # Errors
    ///
    /// If there are not as many, or somebody waits; or if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(2);
    /// assert!(semaphore.try_acquire_many(3).is_err());
    /// assert_eq!(semaphore.try_acquire_many(2).unwrap().num_permits(), 2);
    /// ```
    pub fn try_acquire_many(&self, count: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_take(count).map(|()| SemaphorePermit::new(self, count as usize))
    }

    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Parks
    ///
    /// Until there is one, and nobody waits who came before.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::sync::Arc;
    /// use tarae::sync::Semaphore;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = Arc::clone(&semaphore).acquire_owned().unwrap();
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1)
    }

    /// As [`acquire_many`](Self::acquire_many), with permits that keep the semaphore alive.
    ///
    /// # Parks
    ///
    /// Until there are as many, and nobody waits who came before.
    ///
    /// # Cancellation
    ///
    /// Unwinds where it would park.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, or will be.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(tarae::sync::Semaphore::new(2));
    /// let permits = Arc::clone(&semaphore).acquire_many_owned(2).unwrap();
    /// std::thread::spawn(move || drop(permits)).join().unwrap();
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    pub fn acquire_many_owned(self: Arc<Self>, count: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        match self.acquire_until(count, None) {
            Ok(()) => Ok(OwnedSemaphorePermit::new(self, count as usize)),
            Err(_) => Err(AcquireError(())),
        }
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// If there is none, or somebody waits for it; or if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(tarae::sync::Semaphore::new(1));
    /// let permit = Arc::clone(&semaphore).try_acquire_owned().unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    /// # drop(permit);
    /// ```
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// If there are not as many, or somebody waits; or if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(tarae::sync::Semaphore::new(2));
    /// assert!(Arc::clone(&semaphore).try_acquire_many_owned(3).is_err());
    /// assert_eq!(semaphore.try_acquire_many_owned(2).unwrap().num_permits(), 2);
    /// ```
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        count: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_take(count)?;
        Ok(OwnedSemaphorePermit::new(self, count as usize))
    }

    /// Returns how many permits are there now; somebody may wait for them already.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(2);
    /// let permit = semaphore.acquire().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # drop(permit);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Adds permits, for good.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(0);
    /// semaphore.add_permits(2);
    /// assert!(semaphore.try_acquire().is_ok());
    /// ```
    pub fn add_permits(&self, count: usize) {
        assert!(self.permits.give(count), "more permits than MAX_PERMITS");
    }

    /// Takes away permits that are there, for good, `count` at most; returns how many.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(2), 2);
    /// assert_eq!(semaphore.forget_permits(2), 1); // there was one left
    /// ```
    pub fn forget_permits(&self, count: usize) -> usize {
        self.permits.forget(count)
    }

    /// Closes it, for good: who waits gets an error, and who comes. Permits that are lent stay so.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// use tarae::sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.acquire().is_err());
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(1);
    /// assert!(!semaphore.is_closed());
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    /// Permits come back. They were there before, so they are not too many; or others were added meanwhile, and then these
    /// are forgotten, as a drop does not panic.
    pub(crate) fn give_back(&self, count: usize) {
        self.permits.give(count);
    }

    fn try_take(&self, count: u32) -> Result<(), TryAcquireError> {
        self.permits.take(count as usize).map_err(|refusal| match refusal {
            Refusal::Closed => TryAcquireError::Closed,
            Refusal::TooFew => TryAcquireError::NoPermits,
        })
    }

    fn acquire_until(&self, count: u32, deadline: Option<Instant>) -> Result<(), AcquireTimeoutError> {
        match self.permits.take(count as usize) {
            Ok(()) => return Ok(()),
            Err(Refusal::Closed) => return Err(AcquireTimeoutError::Closed),
            Err(Refusal::TooFew) => {}
        }
        let mut closed = false;
        let claim = Claim { permits: &self.permits, count: count as usize, closed: &mut closed };
        let ended = wait(Reason::Permits, deadline, claim);
        match (ended, closed) {
            (_, true) => Err(AcquireTimeoutError::Closed),
            (true, false) => Ok(()),
            (false, false) => Err(AcquireTimeoutError::Timeout),
        }
    }
}

/// One who wants permits.
struct Claim<'a> {
    permits: &'a Permits,
    count: usize,
    closed: &'a mut bool,
}

impl Wait for Claim<'_> {
    type Ticket = Ticket;

    fn enter(&mut self, waker: &Waker) -> Option<Ticket> {
        match self.permits.enter(self.count, waker) {
            Entry::Stands(ticket) => return Some(ticket),
            Entry::Ended(outcome) => *self.closed = outcome == Outcome::Closed,
        }
        None
    }

    fn look(&mut self, ticket: &mut Option<Ticket>, _: &Waker) -> bool {
        let outcome = self.permits.look(ticket);
        *self.closed = outcome == Some(Outcome::Closed);
        outcome.is_some()
    }

    fn leave(&mut self, ticket: Ticket) -> bool {
        self.permits.leave(ticket)
    }

    fn pass_on(&mut self) {
        self.permits.give(self.count);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
