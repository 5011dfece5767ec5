//! Pinning the creator of identities to the CPU it is on.
//!
//! A newborn's kernel thread lives for a few microseconds. Started on another CPU it costs an inter-processor interrupt,
//! and the creator's wait for it a second one: 80 µs where both stay on one CPU and 35 µs are enough (measured on two
//! cores of a VM). The newborn inherits the creator's affinity; it is put back afterwards.

use std::mem;

/// The calling kernel thread stays on one CPU as long as this lives.
#[derive(Debug)]
pub struct Pin {
    before: libc::cpu_set_t,
    /// A kernel thread's affinity is its own affair: the pin ends where it began.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Pin {
    /// Pins the calling kernel thread to the CPU it is on; `None` if the kernel does not let it, which costs time only.
    pub fn to_this_cpu() -> Option<Pin> {
        const SIZE: usize = mem::size_of::<libc::cpu_set_t>();
        // SAFETY: All zeroes is a valid, empty set.
        let mut before: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: The pointer is to a set of the size given; 0 is the calling thread.
        if unsafe { libc::sched_getaffinity(0, SIZE, &mut before) } != 0 {
            return None;
        }
        // SAFETY: No preconditions.
        let cpu = usize::try_from(unsafe { libc::sched_getcpu() }).ok()?;
        if cpu >= SIZE * 8 {
            return None;
        }
        // SAFETY: As above.
        let mut only: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: The number is within the set.
        unsafe { libc::CPU_SET(cpu, &mut only) };
        // SAFETY: As for the call above.
        if unsafe { libc::sched_setaffinity(0, SIZE, &only) } != 0 {
            return None;
        }
        Some(Pin { before, _not_send: std::marker::PhantomData })
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // It cannot fail: these CPUs were allowed a moment ago; were they taken away meanwhile (cpusets), the kernel
        // has already put the thread elsewhere.
        // SAFETY: The pointer is to a set of the size given.
        unsafe { libc::sched_setaffinity(0, mem::size_of::<libc::cpu_set_t>(), &self.before) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> i32 {
        // SAFETY: All zeroes is a valid, empty set.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: The pointer is to a set of the size given.
        unsafe { libc::sched_getaffinity(0, mem::size_of::<libc::cpu_set_t>(), &mut set) };
        // SAFETY: The set is initialised.
        unsafe { libc::CPU_COUNT(&set) }
    }

    #[test]
    fn a_pin_leaves_one_cpu_and_gives_the_others_back() {
        let before = allowed();
        let pin = Pin::to_this_cpu().expect("a thread may choose among its own CPUs");
        assert_eq!(allowed(), 1);
        drop(pin);
        assert_eq!(allowed(), before);
    }
}
