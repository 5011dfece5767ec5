//! What the C library and std keep per thread behind one's back: locale tables, message buffers, random keys. And what
//! asks nobody who is calling: files, deep calls, libraries loaded at run time.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::hash::BuildHasher;
use std::hint::black_box;
use std::io::{Read, Seek, Write};

use super::moved;
use super::moves::{leave, leave_to};

#[test]
fn it_classifies_characters() {
    moved(|| {
        for _ in 0..5 {
            for character in 0..=127_u8 {
                // SAFETY: Any `unsigned char` is a valid argument. The table is found through a thread-local.
                let alphabetic = unsafe { libc::isalpha(c_int::from(character)) } != 0;
                assert_eq!(alphabetic, character.is_ascii_alphabetic());
            }
            leave();
        }
    });
}

#[test]
fn it_keeps_the_locale_that_it_set_for_itself() {
    moved(|| {
        // SAFETY: The name is a C string, and there is no base.
        let own = unsafe { libc::newlocale(libc::LC_ALL_MASK, c"C".as_ptr(), std::ptr::null_mut()) };
        assert!(!own.is_null());
        // SAFETY: A locale object just made.
        let before = unsafe { libc::uselocale(own) };
        let address = own.addr();
        leave_to(move |_| assert_ne!(current_locale(), address));
        assert_eq!(current_locale(), address);
        // SAFETY: The locale that was in use before, which lives.
        unsafe { libc::uselocale(before) };
        // SAFETY: No longer in use.
        unsafe { libc::freelocale(own) };
    });
}

fn current_locale() -> usize {
    // SAFETY: A null only asks.
    unsafe { libc::uselocale(std::ptr::null_mut()) }.addr()
}

#[test]
fn the_message_of_strerror_stays_while_others_ask_for_theirs() {
    moved(|| {
        // An unknown number is spelled out in a buffer of the thread's.
        let message = strerror(77_777);
        // SAFETY: The buffer is this thread's, and valid until its next call.
        assert_eq!(unsafe { CStr::from_ptr(message) }, c"Unknown error 77777");
        leave_to(|_| {
            strerror(88_888);
        });
        // SAFETY: As above.
        assert_eq!(unsafe { CStr::from_ptr(message) }, c"Unknown error 77777");
    });
}

fn strerror(number: c_int) -> *const c_char {
    // SAFETY: Any number is a valid argument.
    unsafe { libc::strerror(number) }
}

#[test]
fn it_reads_and_writes_files() {
    moved(|| {
        let path = std::env::temp_dir().join(format!("tarae-capabilities-{}", std::process::id()));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
        file.write_all(b"written here, ").expect("room");
        leave();
        file.write_all(b"and there").expect("room");
        file.rewind().expect("a file can be rewound");
        leave();
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        std::fs::remove_file(&path).expect("it is there");
        assert_eq!(text, "written here, and there");
    });
}

#[test]
fn it_draws_random_numbers() {
    moved(|| {
        let mut map = HashMap::new();
        for number in 0..100 {
            map.insert(number, number * number);
            if number % 25 == 0 {
                leave();
            }
        }
        assert!((0..100).all(|number| map[&number] == number * number));
        assert_ne!(RandomState::new().hash_one(1), RandomState::new().hash_one(1));
        let mut bytes = [0_u8; 32];
        // SAFETY: The buffer is valid for its length.
        let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        assert_eq!(filled, 32);
        assert_ne!(bytes, [0; 32]);
    });
}

#[test]
fn it_calls_a_hundred_kib_deep_and_moves_at_the_bottom() {
    moved(|| {
        let top = 0_u8;
        let calls = deep(1, (&raw const top).addr() - 100 * 1024);
        assert!(calls > 10, "{calls}");
    });
}

/// Calls itself until its frame lies below `bottom`, and returns how many calls that took.
#[inline(never)]
fn deep(calls: u8, bottom: usize) -> u8 {
    let mut frame = [0_u8; 1024];
    black_box(&mut frame).fill(calls);
    let depth = if frame.as_ptr().addr() > bottom {
        deep(calls + 1, bottom)
    } else {
        leave();
        calls
    };
    assert!(black_box(&frame).iter().all(|byte| *byte == calls));
    depth
}

#[test]
fn it_loads_libraries() {
    moved(|| {
        // SAFETY: The name is a C string; the library's initialisers do nothing that matters to us.
        let library = unsafe { libc::dlopen(c"libm.so.6".as_ptr(), libc::RTLD_NOW) };
        assert!(!library.is_null());
        leave();
        // SAFETY: The library is open, the name is a C string.
        let symbol = unsafe { libc::dlsym(library, c"cos".as_ptr()) };
        assert!(!symbol.is_null());
        // SAFETY: `cos` of libm has this type.
        let cos = unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn(f64) -> f64>(symbol) };
        assert_eq!(cos(0.0), 1.0);
        leave();
        // SAFETY: The library is open, and `cos` is not used any more.
        assert_eq!(unsafe { libc::dlclose(library) }, 0);
    });
}
