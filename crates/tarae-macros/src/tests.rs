//! What is refused, and with which words; what is written.

use std::str::FromStr;

use proc_macro2::TokenStream;

use crate::function;

fn tokens(text: &str) -> TokenStream {
    TokenStream::from_str(text).expect("tokens")
}

#[track_caller]
fn refuses(of: fn(TokenStream, TokenStream) -> syn::Result<TokenStream>, cases: &[(&str, &str, &str)]) {
    for (options, item, expected) in cases {
        let error = of(tokens(options), tokens(item)).expect_err(item).to_string();
        assert!(error.contains(expected), "#[..({options})] {item}: {error}");
    }
}

const PLAIN: &str = "fn main() {}";

#[test]
fn what_cannot_run_is_refused_with_the_reason() {
    let cases = [
        ("", "async fn main() {}", "is not async: what it calls waits without `.await`"),
        ("", "fn main(arguments: Vec<String>) {}", "takes no arguments"),
        ("", "fn main<T>() {}", "is not generic"),
        ("", "fn main() where u8: Copy {}", "is not generic"),
        ("", "unsafe fn main() {}", "is neither const, unsafe nor extern"),
        ("", "extern \"C\" fn main() {}", "is neither const, unsafe nor extern"),
        ("", "struct Main;", "expected"),
    ];
    refuses(function::main, &cases);
    refuses(function::test, &cases);
    refuses(function::main, &[("", "fn start() {}", "is for the function `main`")]);
}

#[test]
fn options_are_checked() {
    refuses(
        function::main,
        &[
            ("threads = 2", PLAIN, "an option is one of workers, stack_size"),
            ("timeout = \"5s\"", PLAIN, "an option is one of workers, stack_size"),
            ("workers = 2, workers = 3", PLAIN, "this is said twice"),
            ("workers", PLAIN, "expected"),
        ],
    );
    refuses(
        function::test,
        &[
            ("timeout = 5", PLAIN, "a time is written as"),
            ("timeout = \"5 hours\"", PLAIN, "a time is written as"),
            ("timeout = \"s\"", PLAIN, "a time is written as"),
            ("timeout = \"99999999999999999999s\"", PLAIN, "a time is written as"),
            ("timeout = \"5s\", timeout_ms = 3", PLAIN, "this is said twice"),
        ],
    );
}

#[test]
fn times_have_units() {
    for (text, ms) in [("250ms", 250), ("5s", 5_000), ("2m", 120_000)] {
        let written = function::test(tokens(&format!("timeout = \"{text}\"")), tokens("fn t() {}"));
        assert!(written.unwrap().to_string().contains(&format!("from_millis ({ms}u64)")));
    }
}

#[test]
fn attributes_stay_and_nothing_is_named_but_public_paths() {
    let written = function::test(
        tokens("workers = COUNT, stack_size = 1 << 20,"),
        tokens("#[ignore] #[should_panic(expected = \"x\")] pub(crate) fn t() { body() }"),
    );
    let text = written.unwrap().to_string();
    for part in
        ["# [ignore]", "# [should_panic (expected = \"x\")]", "pub (crate) fn t ()", "COUNT", "1 << 20"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.matches("tarae").count(), text.matches(":: tarae :: __macros ::").count());
}
