//! How much CPU time a kernel thread has used, asked by another thread of the process.

use std::mem::MaybeUninit;
use std::time::Duration;

/// Returns how much CPU time the kernel thread with this number has used, exactly and up to now; `None` if there is no such
/// thread in this process.
///
/// A system call. Not `pthread_getcpuclockid`, as that asks for a `pthread_t`; this is what glibc makes of one: the
/// kernel's encoding of a thread's clock, which is part of its interface (`CPUCLOCK_PERTHREAD` and `CPUCLOCK_SCHED` in
/// linux/posix-timers.h).
pub fn of_thread(number: i32) -> Option<Duration> {
    const PER_THREAD: libc::clockid_t = 4;
    const SCHED: libc::clockid_t = 2;
    let clock = !number << 3 | PER_THREAD | SCHED;
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: The pointer is to memory of ours, of the right type.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: The call has succeeded, so it has written.
    let time = unsafe { time.assume_init() };
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Runs `body` on a thread until `look` has looked at that thread.
    fn look_at<R>(body: impl Fn() + Send + 'static, look: impl FnOnce(i32) -> R) -> R {
        let (say, number) = channel();
        let enough: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let thread = thread::spawn(move || {
            // SAFETY: No preconditions.
            say.send(unsafe { libc::gettid() }).unwrap();
            while !enough.load(Ordering::Relaxed) {
                body();
            }
        });
        let seen = look(number.recv().unwrap());
        enough.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        seen
    }

    #[test]
    fn a_thread_that_computes_uses_time_and_one_that_sleeps_does_not() {
        look_at(std::hint::spin_loop, |number| {
            let (until, start) = (Instant::now() + Duration::from_secs(30), of_thread(number).unwrap());
            while of_thread(number).unwrap() < start + Duration::from_millis(5) {
                assert!(Instant::now() < until, "it computes");
            }
        });
        look_at(
            || thread::sleep(Duration::from_millis(20)),
            |number| {
                let start = of_thread(number).unwrap();
                thread::sleep(Duration::from_millis(100));
                assert!(of_thread(number).unwrap() < start + Duration::from_millis(50), "it sleeps");
            },
        );
    }

    #[test]
    fn no_thread_has_no_time() {
        assert_eq!(of_thread(i32::MAX >> 3), None);
    }
}
