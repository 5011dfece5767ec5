//! `#[tarae::main]`: this program's `main` is one.

use std::error::Error;

#[tarae::main(workers = 3, stack_size = 512 << 10)]
fn main() -> Result<(), Box<dyn Error>> {
    // The arguments of a test program; there is one test.
    if std::env::args().any(|argument| argument == "--list") {
        println!("main_macro: test");
        return Ok(());
    }
    assert_eq!(tarae::thread::current().name(), Some("main"));
    tarae::sleep(std::time::Duration::from_millis(1));
    // A kernel thread's coroutines, and ours, are those of one runtime, with the options that stand above.
    let workers = || {
        std::fs::read_dir("/proc/self/task").map(|tasks| {
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
            let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
            names.retain(|name| {
                name.strip_prefix("tarae-").is_some_and(|number| number.parse::<u32>().is_ok())
            });
            names.sort();
            names
        })
    };
    std::thread::spawn(|| tarae::spawn(|| ()).join().unwrap()).join().unwrap();
    assert_eq!(workers()?, ["tarae-0", "tarae-1", "tarae-2"]);
    // Not `Send`, nor is the error.
    let answer = std::rc::Rc::new("42").parse::<u32>()?;
    assert_eq!(answer, 42);
    match std::env::var("TARAE_TEST_MAIN").ok().as_deref() {
        None => {
            let program = std::env::current_exe()?;
            let child = |role| std::process::Command::new(&program).env("TARAE_TEST_MAIN", role).output();
            let failed = child("error")?;
            assert_eq!(failed.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&failed.stderr).contains("Error: \"on purpose\""));
            assert_eq!(child("panic")?.status.code(), Some(101));
            println!("test main_macro ... ok");
            Ok(())
        }
        Some("error") => Err("on purpose".into()),
        Some(_) => panic!("on purpose"),
    }
}
