//! Programs that must not compile: what would let a borrow outlive what it borrows from, or share what threads cannot.
//!
//! Documentation tests, and no part of the crate otherwise. The compiler checks the codes of the errors where it is told to be a
//! nightly one (`RUSTC_BOOTSTRAP=1`); each program fails for the one reason that its name gives.

/// ```compile_fail,E0597
/// tarae::scope(|scope| {
///     {
///         let inside = String::new();
///         let borrowed = &inside;
///         scope.spawn(move || println!("{borrowed}"));
///     }
/// });
/// ```
fn a_child_outlives_what_it_borrows() {}

/// ```compile_fail,E0373
/// tarae::scope(|scope| {
///     scope.spawn(|| {
///         let local = 1;
///         scope.spawn(|| println!("{local}"));
///     });
/// });
/// ```
fn a_grandchild_borrows_from_its_parents_frame() {}

/// ```compile_fail,E0597
/// tarae::scope(|outer| {
///     let between = 1;
///     tarae::scope(|_| {
///         let borrowed = &between;
///         outer.spawn(move || println!("{borrowed}"));
///     });
/// });
/// ```
fn a_child_of_an_outer_scope_borrows_between_the_two() {}

/// ```compile_fail,E0515
/// let text = tarae::scope(|_| {
///     let local = String::new();
///     local.as_str()
/// });
/// ```
fn a_scope_returns_a_borrow_of_a_local() {}

/// ```compile_fail,E0515
/// let text: Result<&str, ()> = tarae::try_scope(|_| {
///     let local = String::new();
///     Ok(local.as_str())
/// });
/// ```
fn a_scope_that_may_fail_returns_a_borrow_of_a_local() {}

/// ```compile_fail,E0515
/// let text = tarae::timeout(std::time::Duration::MAX, || {
///     let local = String::new();
///     local.as_str()
/// });
/// ```
fn a_timeout_returns_a_borrow_of_a_local() {}

/// ```compile_fail,E0515
/// let _: Result<(), ()> = tarae::try_scope(|scope| {
///     let text = scope.spawn(|| {
///         let own = String::new();
///         Ok(own.as_str())
///     });
///     drop(text.join());
///     Ok(())
/// });
/// ```
fn a_child_returns_a_borrow_of_its_own() {}

/// ```compile_fail,E0521
/// let mut handles = Vec::new();
/// let _: Result<(), ()> = tarae::try_scope(|scope| {
///     handles.push(scope.spawn(|| Ok(())));
///     Ok(())
/// });
/// ```
fn a_handle_leaves_a_scope_that_may_fail() {}

/// ```compile_fail,E0277
/// let _ = tarae::try_scope(|scope| {
///     scope.spawn(|| Err::<(), _>(std::rc::Rc::new(1)));
///     Ok(())
/// });
/// ```
fn an_error_that_threads_cannot_share_leaves_a_child() {}

/// ```compile_fail,E0505
/// let words = vec![String::new()];
/// tarae::scope(|scope| {
///     scope.spawn(|| println!("{words:?}"));
///     drop(words);
/// });
/// ```
fn what_is_borrowed_is_dropped_before_the_scope_ends() {}

/// ```compile_fail,E0506
/// let mut count = 0;
/// tarae::scope(|scope| {
///     std::mem::forget(scope.spawn(|| count += 1));
///     count = 2;
/// });
/// ```
fn a_leaked_handle_ends_the_borrow() {}

/// ```compile_fail,E0277
/// let mutex = tarae::sync::Mutex::new(0);
/// tarae::scope(|scope| {
///     let guard = mutex.lock().unwrap();
///     scope.spawn(move || drop(guard));
/// });
/// ```
fn a_locks_guard_goes_to_another_coroutine() {}

/// ```compile_fail,E0277
/// let lock = tarae::lock_thread().unwrap();
/// tarae::scope(|scope| {
///     scope.spawn(move || drop(lock));
/// });
/// ```
fn a_lock_of_a_thread_goes_to_another_coroutine() {}

/// ```compile_fail,E0373
/// let local = String::new();
/// let mut set = tarae::JoinSet::new();
/// set.spawn(|| println!("{local}"));
/// ```
fn a_member_of_a_set_borrows() {}

/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// tarae::spawn(move || println!("{shared}"));
/// ```
fn a_coroutine_has_what_threads_cannot_share() {}

/// ```compile_fail,E0597
/// let mut texts = {
///     let local = String::new();
///     let borrowed = local.as_str();
///     tarae::generator::Generator::new(move |yielder, ()| yielder.suspend(borrowed))
/// };
/// texts.resume(());
/// ```
fn a_generator_outlives_what_it_borrows() {}

/// ```compile_fail,E0521
/// let mut kept = None;
/// tarae::scope(|scope| {
///     kept = Some(tarae::generator::ScopedGenerator::new(scope, |yielder, ()| yielder.suspend(1)));
/// });
/// ```
fn a_scoped_generator_leaves_its_scope() {}

/// ```compile_fail,E0373
/// tarae::scope(|scope| {
///     let local = 1;
///     tarae::generator::ScopedGenerator::new(scope, |yielder, ()| yielder.suspend(&local)).resume(());
/// });
/// ```
fn a_scoped_generator_borrows_from_within_its_scope() {}

/// ```compile_fail,E0277
/// tarae::generator::Generator::new(|yielder, ()| {
///     tarae::scope(|scope| {
///         scope.spawn(|| yielder.suspend(1));
///     });
/// })
/// .for_each(drop);
/// ```
fn a_yielder_goes_to_another_coroutine() {}

/// ```compile_fail,E0597
/// let local = String::new();
/// let borrowed = local.as_str();
/// let _ = tarae::callback::wait(|done| done(borrowed));
/// ```
fn a_callback_is_called_with_a_borrow() {}

/// ```compile_fail,E0521
/// tarae::coroutine_local! {
///     static NAMES: Vec<String> = Vec::new();
/// }
/// let mut kept: &[String] = &[];
/// NAMES.with(|names| kept = names);
/// println!("{kept:?}");
/// ```
fn a_borrow_of_a_local_leaves_its_call() {}
