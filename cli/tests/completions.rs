//! `completions` and `--help`.

use crate::support::run;

#[tokio::test]
async fn every_usual_shell_has_completions_without_asking_aws() {
    for (shell, words) in [
        ("bash", "complete -F _ecs__drainer"),
        ("zsh", "#compdef ecs-drainer"),
        ("fish", "complete -c ecs-drainer"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[ecs-drainer]"),
    ] {
        let ran = run(&[], &["completions", shell]).await;
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.out.contains(words), "{shell}");
        assert!(ran.out.contains("unenroll") && ran.out.contains("stop-standalone"), "{shell}");
    }
}

#[tokio::test]
async fn help_tells_of_every_command_and_exit_status() {
    let help = run(&[], &["--help"]).await;
    assert_eq!(help.status, 0);
    for words in ["status", "watch", "drain", "undrain", "enroll", "unenroll", "check", "Exit status: 0 done; 1"] {
        help.says(words);
    }
    let bare = run(&[], &[]).await;
    assert_eq!(bare.status, 2);
    bare.says("Usage: ecs-drainer");
}

#[tokio::test]
async fn a_reader_that_has_read_enough_is_no_error() {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ecs-drainer"));
    let command = command.args(["completions", "bash"]).stdout(std::process::Stdio::piped());
    let mut running = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(running.stdout.take());
    let output = running.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{output:?}");
}
