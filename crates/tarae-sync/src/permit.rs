//! Permits that a semaphore has lent: they go back when they are dropped.

use std::fmt;
use std::sync::Arc;

use crate::semaphore::Semaphore;

/// Permits of a [`Semaphore`], which go back when it is dropped.
#[must_use = "permits go back at once if they are not kept"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

/// As [`SemaphorePermit`], and keeps the semaphore alive.
#[must_use = "permits go back at once if they are not kept"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl<'a> SemaphorePermit<'a> {
    pub(crate) fn new(semaphore: &'a Semaphore, count: usize) -> SemaphorePermit<'a> {
        SemaphorePermit { semaphore, count }
    }

    /// Does not give them back, ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(3);
    /// semaphore.acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Adds the permits of `other` to these.
    ///
    /// # Panics
    ///
    /// If they are of different semaphores.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(3);
    /// let mut permits = semaphore.acquire_many(3).unwrap();
    /// let one = permits.split(1).unwrap();
    /// assert_eq!((permits.num_permits(), one.num_permits()), (2, 1));
    /// assert!(permits.split(3).is_none());
    /// permits.merge(one);
    /// assert_eq!(permits.num_permits(), 3);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(std::ptr::eq(self.semaphore, other.semaphore), "permits of different semaphores");
        self.count += std::mem::take(&mut other.count);
    }

    /// Splits `count` of them off, if there are as many.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(3);
    /// let mut permits = semaphore.acquire_many(3).unwrap();
    /// let one = permits.split(1).unwrap();
    /// assert_eq!((permits.num_permits(), one.num_permits()), (2, 1));
    /// assert!(permits.split(3).is_none());
    /// ```
    pub fn split(&mut self, count: usize) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(SemaphorePermit { semaphore: self.semaphore, count })
    }

    /// Returns how many they are.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = tarae::sync::Semaphore::new(3);
    /// let mut permits = semaphore.acquire_many(3).unwrap();
    /// assert_eq!(permits.num_permits(), 3);
    /// ```
    pub fn num_permits(&self) -> usize {
        self.count
    }
}

impl OwnedSemaphorePermit {
    pub(crate) fn new(semaphore: Arc<Semaphore>, count: usize) -> OwnedSemaphorePermit {
        OwnedSemaphorePermit { semaphore, count }
    }

    /// Does not give them back, ever.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = std::sync::Arc::new(tarae::sync::Semaphore::new(3));
    /// std::sync::Arc::clone(&semaphore).acquire_owned().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Adds the permits of `other` to these.
    ///
    /// # Panics
    ///
    /// If they are of different semaphores.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = std::sync::Arc::new(tarae::sync::Semaphore::new(3));
    /// let mut permits = std::sync::Arc::clone(&semaphore).acquire_many_owned(3).unwrap();
    /// let one = permits.split(1).unwrap();
    /// assert_eq!((permits.num_permits(), one.num_permits()), (2, 1));
    /// assert!(permits.split(3).is_none());
    /// permits.merge(one);
    /// assert_eq!(permits.num_permits(), 3);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(Arc::ptr_eq(&self.semaphore, &other.semaphore), "permits of different semaphores");
        self.count += std::mem::take(&mut other.count);
    }

    /// Splits `count` of them off, if there are as many.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = std::sync::Arc::new(tarae::sync::Semaphore::new(3));
    /// let mut permits = std::sync::Arc::clone(&semaphore).acquire_many_owned(3).unwrap();
    /// let one = permits.split(1).unwrap();
    /// assert_eq!((permits.num_permits(), one.num_permits()), (2, 1));
    /// assert!(permits.split(3).is_none());
    /// ```
    pub fn split(&mut self, count: usize) -> Option<Self> {
        self.count = self.count.checked_sub(count)?;
        Some(OwnedSemaphorePermit { semaphore: Arc::clone(&self.semaphore), count })
    }

    /// Returns how many they are.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = std::sync::Arc::new(tarae::sync::Semaphore::new(3));
    /// let mut permits = std::sync::Arc::clone(&semaphore).acquire_many_owned(3).unwrap();
    /// assert_eq!(permits.num_permits(), 3);
    /// ```
    pub fn num_permits(&self) -> usize {
        self.count
    }

    /// Returns the semaphore that they are of.
    ///
    /// # Examples
    ///
    /// ```
    /// # mod tarae { pub use tarae_sync as sync; }
    /// let semaphore = std::sync::Arc::new(tarae::sync::Semaphore::new(3));
    /// let permit = std::sync::Arc::clone(&semaphore).acquire_owned().unwrap();
    /// assert!(std::sync::Arc::ptr_eq(permit.semaphore(), &semaphore));
    /// ```
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.semaphore.give_back(self.count);
        }
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        if self.count > 0 {
            self.semaphore.give_back(self.count);
        }
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit").field("count", &self.count).finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSemaphorePermit").field("count", &self.count).finish_non_exhaustive()
    }
}
