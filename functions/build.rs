//! How the functions are linked in the release profile, which aborts at a panic: without the tables for unwinding, a tenth of
//! the zip that a cold start downloads.

fn main() {
    println!("cargo::rerun-if-changed=functions/without_unwind_tables.ld");
    let is = |variable: &str, value: &str| std::env::var(variable).is_ok_and(|it| it == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,functions/without_unwind_tables.ld");
    }
}
