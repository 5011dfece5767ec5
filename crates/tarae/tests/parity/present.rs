//! What tarae has of it: every name here stands for something that compiles.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::iter::Iterator;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::subject::sync::mpsc::{RecvError, SendError};
use crate::subject::sync::{PoisonError, mpsc};
use crate::subject::{sync, thread};

/// As std's documentation calls a type parameter.
type T = u8;

/// The path alone: without type arguments, spaces, and where it was found.
fn bare(path: &str) -> String {
    let mut depth = 0;
    let path = path.replace("->", "").replace("crate::subject::", "").replace(char::is_whitespace, "");
    let kept = path.chars().filter(|letter| {
        depth += i32::from(*letter == '<');
        let kept = depth == 0;
        depth -= i32::from(*letter == '>');
        kept
    });
    let path: String = kept.collect();
    let path = path.trim_end_matches("::").replace("::::", "::");
    if path.starts_with("mpsc::") { format!("sync::{path}") } else { path }
}

/// Takes what each kind of item can be asked for, and returns what each is called.
macro_rules! names {
    (
        modules: [$($module:path),* $(,)?],
        types: [$($kind:ty),* $(,)?],
        values: [$($value:expr),* $(,)?],
        traits: [$($target:ty: [$($implemented:path),* $(,)?]),* $(,)?] $(,)?
    ) => {{
        let mut names: Vec<String> = Vec::new();
        $(
            {
                #[expect(unused_imports, reason = "that it can be imported is enough")]
                use $module as _;
            }
            names.push(bare(stringify!($module)));
        )*
        $(
            let _ = PhantomData::<$kind>;
            names.push(bare(stringify!($kind)));
        )*
        $(
            let _ = $value;
            names.push(bare(stringify!($value)));
        )*
        $($(
            {
                fn is_implemented<Subject: $implemented>() {}
                is_implemented::<$target>();
                let implemented = stringify!($implemented);
                let target = stringify!($target).replace("'static ", "");
                let (reference, target) =
                    target.strip_prefix('&').map_or(("", &*target), |target| ("&", target));
                names.push(format!("impl {implemented} for {reference}{}", bare(target)));
            }
        )*)*
        names
    }};
}

/// The names of everything that is present.
pub(crate) fn names() -> Vec<String> {
    let mut names = threads();
    names.extend(locks());
    names.extend(once());
    names.extend(channels());
    names
}

fn threads() -> Vec<String> {
    names!(
        modules: [],
        types: [
            thread::AccessError,
            thread::Builder,
            thread::JoinHandle<T>,
            thread::LocalKey<T>,
            thread::Result<T>,
            thread::Scope<'static, 'static>,
            thread::ScopedJoinHandle<'static, T>,
            thread::Thread,
            thread::ThreadId,
        ],
        values: [
            thread::available_parallelism,
            thread::current,
            thread::panicking,
            thread::park,
            thread::park_timeout,
            thread::scope::<for<'s> fn(&'s thread::Scope<'s, 'static>) -> T, T>,
            thread::sleep,
            thread::spawn::<fn() -> T, T>,
            thread::yield_now,
            thread::Builder::new,
            thread::Builder::name,
            thread::Builder::stack_size,
            thread::Builder::spawn::<fn() -> T, T>,
            thread::Builder::spawn_scoped::<fn() -> T, T>,
            thread::JoinHandle::<T>::thread,
            thread::JoinHandle::<T>::join,
            thread::JoinHandle::<T>::is_finished,
            thread::LocalKey::<T>::with::<fn(&T) -> T, T>,
            thread::LocalKey::<T>::try_with::<fn(&T) -> T, T>,
            thread::LocalKey::<std::cell::Cell<T>>::set,
            thread::LocalKey::<std::cell::Cell<T>>::get,
            thread::LocalKey::<std::cell::Cell<T>>::take,
            thread::LocalKey::<std::cell::Cell<T>>::replace,
            thread::LocalKey::<std::cell::RefCell<T>>::with_borrow::<fn(&T) -> T, T>,
            thread::LocalKey::<std::cell::RefCell<T>>::with_borrow_mut::<fn(&mut T) -> T, T>,
            thread::Scope::spawn::<fn() -> T, T>,
            thread::ScopedJoinHandle::<T>::thread,
            thread::ScopedJoinHandle::<T>::join,
            thread::ScopedJoinHandle::<T>::is_finished,
            thread::Thread::unpark,
            thread::Thread::id,
            thread::Thread::name,
        ],
        traits: [
            thread::AccessError: [Clone, Debug, Display, Error, PartialEq, Copy, Eq],
            thread::Builder: [Debug],
            thread::JoinHandle<T>: [Debug],
            thread::LocalKey<T>: [Debug],
            thread::Scope<'static, 'static>: [Debug],
            thread::ScopedJoinHandle<'static, T>: [Debug],
            thread::Thread: [Clone, Debug],
            thread::ThreadId: [Clone, Debug, Hash, PartialEq, Copy, Eq],
        ],
    )
}

fn locks() -> Vec<String> {
    names!(
        modules: [crate::subject::sync::atomic],
        types: [
            sync::Arc<T>,
            sync::Barrier,
            sync::BarrierWaitResult,
            sync::Condvar,
            sync::LockResult<T>,
            sync::Mutex<T>,
            sync::MutexGuard<'static, T>,
            sync::PoisonError<T>,
            sync::RwLock<T>,
            sync::RwLockReadGuard<'static, T>,
            sync::RwLockWriteGuard<'static, T>,
            sync::TryLockError<T>,
            sync::TryLockResult<T>,
            sync::WaitTimeoutResult,
            sync::Weak<T>,
        ],
        values: [
            sync::Barrier::new,
            sync::Barrier::wait,
            sync::BarrierWaitResult::is_leader,
            sync::Condvar::new,
            sync::Condvar::wait::<T>,
            sync::Condvar::wait_while::<T, fn(&mut T) -> bool>,
            sync::Condvar::wait_timeout::<T>,
            sync::Condvar::wait_timeout_while::<T, fn(&mut T) -> bool>,
            sync::Condvar::notify_one,
            sync::Condvar::notify_all,
            sync::Mutex::<T>::new,
            sync::Mutex::<T>::lock,
            sync::Mutex::<T>::try_lock,
            sync::Mutex::<T>::is_poisoned,
            sync::Mutex::<T>::clear_poison,
            sync::Mutex::<T>::into_inner,
            sync::Mutex::<T>::get_mut,
            sync::PoisonError::<T>::new,
            sync::PoisonError::<T>::into_inner,
            sync::PoisonError::<T>::get_ref,
            sync::PoisonError::<T>::get_mut,
            sync::RwLock::<T>::new,
            sync::RwLock::<T>::read,
            sync::RwLock::<T>::try_read,
            sync::RwLock::<T>::write,
            sync::RwLock::<T>::try_write,
            sync::RwLock::<T>::is_poisoned,
            sync::RwLock::<T>::clear_poison,
            sync::RwLock::<T>::into_inner,
            sync::RwLock::<T>::get_mut,
            sync::RwLockWriteGuard::<T>::downgrade,
            sync::TryLockError::<T>::Poisoned,
            sync::TryLockError::<T>::WouldBlock,
            sync::WaitTimeoutResult::timed_out,
        ],
        traits: [
            sync::Barrier: [Debug],
            sync::BarrierWaitResult: [Debug],
            sync::Condvar: [Debug, Default],
            sync::Mutex<T>: [Debug, Default, From<T>],
            sync::MutexGuard<'static, T>: [Debug, Deref, DerefMut, Display],
            sync::PoisonError<T>: [Debug, Display, Error],
            sync::RwLock<T>: [Debug, Default, From<T>],
            sync::RwLockReadGuard<'static, T>: [Debug, Deref, Display],
            sync::RwLockWriteGuard<'static, T>: [Debug, Deref, DerefMut, Display],
            sync::TryLockError<T>: [Debug, Display, Error, From<PoisonError<T>>],
            sync::WaitTimeoutResult: [Clone, Debug, PartialEq, Copy, Eq],
        ],
    )
}

fn once() -> Vec<String> {
    names!(
        modules: [],
        types: [sync::LazyLock<T>, sync::Once, sync::OnceLock<T>, sync::OnceState],
        values: [
            sync::LazyLock::<T, fn() -> T>::new,
            sync::LazyLock::<T, fn() -> T>::force,
            sync::LazyLock::<T, fn() -> T>::force_mut,
            sync::LazyLock::<T, fn() -> T>::get,
            sync::LazyLock::<T, fn() -> T>::get_mut,
            sync::Once::new,
            sync::Once::call_once::<fn()>,
            sync::Once::call_once_force::<fn(&sync::OnceState)>,
            sync::Once::is_completed,
            sync::Once::wait,
            sync::Once::wait_force,
            sync::OnceLock::<T>::new,
            sync::OnceLock::<T>::get,
            sync::OnceLock::<T>::get_mut,
            sync::OnceLock::<T>::wait,
            sync::OnceLock::<T>::set,
            sync::OnceLock::<T>::get_or_init::<fn() -> T>,
            sync::OnceLock::<T>::into_inner,
            sync::OnceLock::<T>::take,
            sync::OnceState::is_poisoned,
        ],
        traits: [
            sync::LazyLock<T>: [Debug, Default, Deref, DerefMut],
            sync::Once: [Debug],
            sync::OnceLock<T>: [Clone, Debug, Default, From<T>, PartialEq, Eq],
            sync::OnceState: [Debug],
        ],
    )
}

fn channels() -> Vec<String> {
    names!(
        modules: [crate::subject::sync::mpsc],
        types: [
            mpsc::IntoIter<T>,
            mpsc::Iter<'static, T>,
            mpsc::Receiver<T>,
            mpsc::RecvError,
            mpsc::RecvTimeoutError,
            mpsc::SendError<T>,
            mpsc::Sender<T>,
            mpsc::SyncSender<T>,
            mpsc::TryIter<'static, T>,
            mpsc::TryRecvError,
            mpsc::TrySendError<T>,
        ],
        values: [
            mpsc::channel::<T>,
            mpsc::sync_channel::<T>,
            mpsc::Receiver::<T>::try_recv,
            mpsc::Receiver::<T>::recv,
            mpsc::Receiver::<T>::recv_timeout,
            mpsc::Receiver::<T>::iter,
            mpsc::Receiver::<T>::try_iter,
            mpsc::Sender::<T>::send,
            mpsc::SyncSender::<T>::send,
            mpsc::SyncSender::<T>::try_send,
            mpsc::RecvTimeoutError::Timeout,
            mpsc::RecvTimeoutError::Disconnected,
            mpsc::TryRecvError::Empty,
            mpsc::TryRecvError::Disconnected,
            mpsc::TrySendError::<T>::Full,
            mpsc::TrySendError::<T>::Disconnected,
        ],
        traits: [
            mpsc::IntoIter<T>: [Debug, Iterator],
            mpsc::Iter<'static, T>: [Debug, Iterator],
            mpsc::Receiver<T>: [Debug, IntoIterator],
            &'static mpsc::Receiver<T>: [IntoIterator],
            mpsc::RecvError: [Clone, Debug, Display, Error, PartialEq, Copy, Eq],
            mpsc::RecvTimeoutError: [Clone, Debug, Display, Error, From<RecvError>, PartialEq, Copy, Eq],
            mpsc::SendError<T>: [Clone, Debug, Display, Error, PartialEq, Copy, Eq],
            mpsc::Sender<T>: [Clone, Debug],
            mpsc::SyncSender<T>: [Clone, Debug],
            mpsc::TryIter<'static, T>: [Debug, Iterator],
            mpsc::TryRecvError: [Clone, Debug, Display, Error, From<RecvError>, PartialEq, Copy, Eq],
            mpsc::TrySendError<T>: [Clone, Debug, Display, Error, From<SendError<T>>, PartialEq, Copy, Eq],
        ],
    )
}
