//! Running off the end of a stack: reported with who and where, and fatal, as in std. Each in a process of its own.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use tarae::thread::Builder;

use support::child::{Ended, again, is_child, said};
use support::{bounded, runtime};

/// Uses about 256 bytes of stack for each level, all of it probed.
#[inline(never)]
fn recurse(levels: u64) -> u64 {
    let frame = black_box([levels; 16]);
    if levels == 0 {
        return frame[3];
    }
    recurse(levels - 1) + black_box(&frame)[5]
}

fn endless() {
    recurse(u64::MAX);
}

/// Uses at least `bytes` of stack.
#[inline(never)]
fn recurse_over(bytes: usize) -> u64 {
    let here = 0u8;
    down_to((&raw const here).addr() - bytes)
}

#[inline(never)]
fn down_to(address: usize) -> u64 {
    let frame = black_box([1u64; 64]);
    if frame.as_ptr().addr() <= address {
        return 0;
    }
    down_to(address) + black_box(&frame)[7]
}

/// A frame of 60 KiB as a C compiler makes it: the stack pointer moves down at once, and the first byte touched is the
/// lowest one.
#[inline(never)]
fn unprobed_frame() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: The stack pointer is put back before the block ends, and what lies below it belongs to nobody: it is this
    // thread's stack, or its guard. (Which of the two is what the test is about.)
    unsafe {
        std::arch::asm!(
            "sub rsp, {bytes}",
            "mov byte ptr [rsp], 1",
            "add rsp, {bytes}",
            bytes = const 60 * 1024,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: As above.
    unsafe {
        std::arch::asm!(
            "sub sp, sp, #{pages}, lsl #12",
            "strb wzr, [sp]",
            "add sp, sp, #{pages}, lsl #12",
            pages = const 15,
        );
    }
}

/// Goes down until less than `left` bytes of the stack are free, then calls `f` there.
fn near_the_end(left: usize, f: fn()) {
    #[inline(never)]
    fn go_down(to: usize, f: fn()) -> u64 {
        let frame = black_box([1u64; 16]);
        if frame.as_ptr().addr() <= to {
            f();
            return 0;
        }
        go_down(to, f) + black_box(&frame)[7]
    }
    let here = 0u8;
    let slot = 256 * 1024;
    // Slots lie at multiples of their size, the guard at the bottom.
    let floor = (&raw const here).addr() / slot * slot + 64 * 1024;
    go_down(floor + left, f);
}

#[track_caller]
fn assert_reported(ended: &Ended, who: &str, line: Option<u32>) {
    assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", said(ended));
    let mut expected = vec![
        format!("coroutine '{who}' spawned at "),
        "has overflowed its stack".into(),
        "its slot is 256 KiB".into(),
        "use tarae::thread::Builder::stack_size, or Runtime::builder().stack_size for all".into(),
        "fatal runtime error: stack overflow, aborting".into(),
    ];
    expected.extend(line.map(|line| format!("{}:{line}:", file!())));
    for part in expected {
        assert!(ended.stderr.contains(&part), "no '{part}' in:\n{}", said(ended));
    }
}

/// Spawns from its caller's line, which the parent finds by its text.
#[track_caller]
fn spawned_here(name: &str, job: fn()) {
    let builder = if name.is_empty() { Builder::new() } else { Builder::new().name(name.into()) };
    builder.spawn(job).unwrap().join().unwrap();
}

#[test]
fn endless_recursion_is_reported_with_name_and_spawn_site() {
    if is_child() {
        return runtime(2).run(|| spawned_here("bottomless", endless));
    }
    let ended = again("endless_recursion_is_reported_with_name_and_spawn_site");
    assert_reported(&ended, "bottomless", Some(line_of("spawned_here(\"bottomless\"")));
}

#[test]
fn an_unnamed_coroutine_is_reported_too() {
    if is_child() {
        return runtime(1).run(|| spawned_here("", endless));
    }
    assert_reported(
        &again("an_unnamed_coroutine_is_reported_too"),
        "<unnamed>",
        Some(line_of("spawned_here(\"\"")),
    );
}

#[test]
fn an_overflow_after_a_move_between_workers_is_reported() {
    if is_child() {
        return runtime(4).run(|| {
            spawned_here("wanderer", || {
                let others: Vec<_> =
                    (0..20).map(|_| tarae::spawn(|| (0..100).for_each(|_| tarae::yield_now()))).collect();
                (0..100).for_each(|_| tarae::yield_now());
                others.into_iter().for_each(|other| other.join().unwrap());
                recurse(u64::MAX);
            });
        });
    }
    assert_reported(&again("an_overflow_after_a_move_between_workers_is_reported"), "wanderer", None);
}

#[test]
fn a_very_long_name_does_not_hide_what_happened() {
    if is_child() {
        let name = "n".repeat(5000);
        return runtime(1).run(move || {
            Builder::new().name(name).spawn(endless).unwrap().join().unwrap();
        });
    }
    let ended = again("a_very_long_name_does_not_hide_what_happened");
    assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", said(&ended));
    assert!(ended.stderr.contains("coroutine 'nnnn"), "{}", said(&ended));
    assert!(ended.stderr.contains("has overflowed its stack"), "{}", said(&ended));
}

#[test]
fn an_unprobed_frame_hits_the_guard_and_not_a_neighbour() {
    if is_child() {
        return runtime(1).run(|| {
            // Neighbours on both sides, with something to lose.
            let neighbours: Vec<_> = (0..20).map(|_| tarae::spawn(tarae::thread::park)).collect();
            tarae::yield_now();
            spawned_here("careless", || near_the_end(16 * 1024, unprobed_frame));
            neighbours.into_iter().for_each(|neighbour| neighbour.thread().unpark());
        });
    }
    let ended = again("an_unprobed_frame_hits_the_guard_and_not_a_neighbour");
    assert_reported(&ended, "careless", Some(line_of("spawned_here(\"careless\"")));
}

#[test]
fn an_unprobed_frame_that_fits_is_nothing_special() {
    bounded(|| runtime(1).run(|| near_the_end(80 * 1024, unprobed_frame)));
}

#[test]
fn a_null_pointer_write_in_a_coroutine_is_a_segmentation_fault() {
    if is_child() {
        return runtime(1).run(|| {
            let null = black_box(std::ptr::null_mut::<u8>());
            // SAFETY: None: it faults, which is what this process is for.
            unsafe { null.write_volatile(1) };
        });
    }
    let ended = again("a_null_pointer_write_in_a_coroutine_is_a_segmentation_fault");
    assert_eq!(ended.signal(), Some(libc::SIGSEGV), "{}", said(&ended));
    assert!(!ended.stderr.contains("overflow"), "{}", said(&ended));
}

#[test]
fn a_null_pointer_write_on_a_kernel_thread_is_a_segmentation_fault() {
    if is_child() {
        runtime(1).run(|| ());
        let null = black_box(std::ptr::null_mut::<u8>());
        // SAFETY: None: it faults, which is what this process is for.
        return unsafe { null.write_volatile(1) };
    }
    let ended = again("a_null_pointer_write_on_a_kernel_thread_is_a_segmentation_fault");
    assert_eq!(ended.signal(), Some(libc::SIGSEGV), "{}", said(&ended));
    assert!(!ended.stderr.contains("overflow"), "{}", said(&ended));
}

#[test]
fn an_overflow_of_a_plain_thread_is_reported_by_std() {
    if is_child() {
        runtime(2).run(|| ());
        let thread = std::thread::Builder::new().name("plain".into());
        thread.spawn(endless).unwrap().join().unwrap();
        return;
    }
    let ended = again("an_overflow_of_a_plain_thread_is_reported_by_std");
    assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", said(&ended));
    assert!(ended.stderr.contains("thread 'plain'"), "{}", said(&ended));
    assert!(ended.stderr.contains("has overflowed its stack"), "{}", said(&ended));
    assert!(!ended.stderr.contains("coroutine"), "{}", said(&ended));
}

#[test]
fn an_overflow_of_a_thread_that_a_coroutine_started_is_reported_by_std() {
    if is_child() {
        return runtime(1).run(|| {
            let thread = std::thread::Builder::new().name("child".into());
            thread.spawn(endless).unwrap().join().unwrap();
        });
    }
    let ended = again("an_overflow_of_a_thread_that_a_coroutine_started_is_reported_by_std");
    assert_eq!(ended.signal(), Some(libc::SIGABRT), "{}", said(&ended));
    assert!(ended.stderr.contains("thread 'child'"), "{}", said(&ended));
}

#[test]
fn a_larger_stack_holds_a_deeper_recursion() {
    bounded(|| {
        runtime(2).run(|| {
            let large = Builder::new().stack_size(8 << 20).spawn(|| recurse_over(6 << 20)).unwrap();
            assert!(large.join().unwrap() > 0);
        });
    });
}

#[test]
fn a_larger_default_stack_holds_a_deeper_recursion() {
    bounded(|| {
        let runtime = tarae::Runtime::builder().workers(1).stack_size(4 << 20).build().unwrap();
        assert!(runtime.run(|| tarae::spawn(|| recurse_over(3 << 20)).join().unwrap()) > 0);
    });
}

#[test]
fn every_byte_asked_for_is_there() {
    bounded(|| {
        runtime(1).run(|| {
            for kib in [32, 100, 176, 400, 1000, 4000] {
                let builder = Builder::new().stack_size(kib * 1024);
                // Less the few frames on either side of the recursion.
                builder.spawn(move || recurse_over(kib * 1024 - 4096)).unwrap().join().unwrap();
            }
        });
    });
}

/// The line of this file on which `text` stands first.
fn line_of(text: &str) -> u32 {
    let line = include_str!("overflow.rs").lines().position(|line| line.contains(text));
    u32::try_from(line.expect("a line of this file")).unwrap() + 1
}
