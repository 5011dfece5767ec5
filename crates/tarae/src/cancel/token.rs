//! A token that cancels: a tree of flags, and who is to be woken when one is set.
//!
//! | state of a node | its flag | its lists |
//! |---|---|---|
//! | live | clear | its live children, the wakers of who runs under it |
//! | cancelled | set | empty for good |
//!
//! The flag is set and the lists are emptied under the node's lock, and whoever enters a list looks at the flag under it: so a
//! waker that is in a list is woken, and one that would come too late finds the flag. The lock of a parent is never held
//! with that of a child; nobody is woken under either.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Waker;

use slab::Slab;
use tarae_task::{Reason, wait_until, waker, with_flag};

use super::Cancelled;

/// Cancels what runs under it, and under its children.
///
/// After tokio-util's `CancellationToken`.
///
/// Clones are the same token. [`child`](Self::child) makes one that is cancelled with this one, and can be cancelled alone.
/// Asking costs a load.
///
/// # Examples
///
/// ```
/// let service = tarae::CancelToken::new();
/// let request = service.child();
/// let worker = tarae::spawn({
///     let request = request.clone();
///     move || request.run(|| tarae::sleep(std::time::Duration::MAX))
/// });
/// service.cancel();
/// assert!(request.is_cancelled());
/// assert_eq!(worker.join().unwrap(), Err(tarae::Cancelled));
/// ```
#[derive(Clone)]
pub struct CancelToken {
    node: Arc<Node>,
}

struct Node {
    cancelled: AtomicBool,
    lists: Mutex<Lists>,
    /// The parent, and the place in its list.
    parent: Option<(Arc<Node>, usize)>,
}

#[derive(Default)]
struct Lists {
    children: Slab<Weak<Node>>,
    wakers: Slab<Waker>,
}

impl CancelToken {
    /// Returns a token of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!tarae::CancelToken::new().is_cancelled());
    /// ```
    pub fn new() -> CancelToken {
        CancelToken { node: Arc::new(Node::new(false, None)) }
    }

    /// Returns a token that is cancelled with this one.
    ///
    /// # Examples
    ///
    /// ```
    /// let parent = tarae::CancelToken::new();
    /// let (one, another) = (parent.child(), parent.child());
    /// one.cancel();
    /// assert!(!parent.is_cancelled() && !another.is_cancelled());
    /// parent.cancel();
    /// assert!(another.is_cancelled() && parent.child().is_cancelled());
    /// ```
    pub fn child(&self) -> CancelToken {
        let mut lists = self.node.lock();
        if self.is_cancelled() {
            return CancelToken { node: Arc::new(Node::new(true, None)) };
        }
        let parent = Arc::clone(&self.node);
        let node = Arc::new_cyclic(|child| {
            let place = lists.children.insert(Weak::clone(child));
            Node::new(false, Some((parent, place)))
        });
        CancelToken { node }
    }

    /// Cancels it, and all below: who runs under one of them is interrupted. Returns at once; again does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = tarae::CancelToken::new();
    /// let waiting = tarae::spawn({
    ///     let token = token.clone();
    ///     move || token.wait()
    /// });
    /// token.cancel();
    /// waiting.join().unwrap();
    /// ```
    pub fn cancel(&self) {
        let mut next = vec![Arc::clone(&self.node)];
        while let Some(node) = next.pop() {
            let lists = {
                let mut lists = node.lock();
                // Release: what was written before is seen by who is interrupted.
                if node.cancelled.swap(true, Ordering::Release) {
                    continue;
                }
                std::mem::take(&mut *lists)
            };
            lists.wakers.into_iter().for_each(|(_, waker)| waker.wake());
            next.extend(lists.children.into_iter().filter_map(|(_, child)| child.upgrade()));
        }
    }

    /// Whether it was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = tarae::CancelToken::new();
    /// let mut rounds = 0;
    /// while !token.is_cancelled() {
    ///     rounds += 1; // a part of something that does not wait
    ///     if rounds == 10 {
    ///         token.cancel();
    ///     }
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        // Acquire: with the Release of `cancel`.
        self.node.cancelled.load(Ordering::Acquire)
    }

    /// Calls `f`, and interrupts its waits when the token is cancelled.
    ///
    /// As [`timeout`](crate::timeout) with a deadline; on a kernel thread a call of a socket is not interrupted.
    ///
    /// # Parks
    ///
    /// As `f` does.
    ///
    /// # Cancellation
    ///
    /// As [`timeout`](crate::timeout), with an [`io::Error`](std::io::Error) of kind
    /// [`Other`](std::io::ErrorKind::Other) that has [`Cancelled`] in it.
    ///
    /// # Errors
    ///
    /// If `f` unwound for it. If it returns, what it returns is returned.
    ///
    /// # Panics
    ///
    /// With the payload of `f`, if `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = tarae::CancelToken::new();
    /// assert_eq!(token.run(|| 6 * 7), Ok(42));
    /// token.cancel();
    /// assert_eq!(token.run(|| tarae::sleep(std::time::Duration::MAX)), Err(tarae::Cancelled));
    /// ```
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> Result<R, Cancelled> {
        let _listed = Listed::enter(&self.node, &waker());
        with_flag(&self.node.cancelled, f).map_err(|_| Cancelled)
    }

    /// Waits until it is cancelled.
    ///
    /// # Parks
    ///
    /// Until then.
    ///
    /// # Cancellation
    ///
    /// Unwinds; the token has nothing to do with that.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = tarae::CancelToken::new();
    /// let canceller = token.clone();
    /// tarae::spawn(move || canceller.cancel());
    /// token.wait();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn wait(&self) {
        let _listed = Listed::enter(&self.node, &waker());
        wait_until(Reason::Other, None, |_| self.is_cancelled().then_some(()));
    }
}

impl Default for CancelToken {
    fn default() -> CancelToken {
        CancelToken::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

impl Node {
    fn new(cancelled: bool, parent: Option<(Arc<Node>, usize)>) -> Node {
        Node { cancelled: AtomicBool::new(cancelled), lists: Mutex::default(), parent }
    }

    /// Nothing under this lock panics, so poison carries no meaning.
    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Node {
    /// One after the other up the tree, as it may be deeper than a stack.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some((parent, place)) = next {
            // Gone, if the parent was cancelled.
            parent.lock().children.try_remove(place);
            // If that was the last of it, what is dropped here has no parent any more.
            next = Arc::into_inner(parent).and_then(|mut parent| parent.parent.take());
        }
    }
}

/// A place among those to be woken; left on drop.
struct Listed<'a> {
    node: &'a Node,
    /// `None` if the token was cancelled already.
    place: Option<usize>,
}

impl<'a> Listed<'a> {
    fn enter(node: &'a Node, waker: &Waker) -> Listed<'a> {
        let mut lists = node.lock();
        // Relaxed: under the lock.
        let is_live = !node.cancelled.load(Ordering::Relaxed);
        Listed { node, place: is_live.then(|| lists.wakers.insert(waker.clone())) }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.node.lock().wakers.try_remove(place);
            drop(waker);
        }
    }
}
