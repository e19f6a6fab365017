//! The programs under test, beside the test that runs, and running them to their end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program `name` of the profile that this test was built with.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/PROFILE/deps/TEST
    let folder = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let path = folder.join(name);
    let profile = folder.file_name().unwrap_or_default().display();
    assert!(
        path.exists(),
        "`{}` is not built; `make e2e` builds it, or: cargo build --profile {profile} --workspace \
         --bins",
        path.display()
    );
    path
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in it").to_owned()
}

/// How a program ended, and what it said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Outcome {
    /// Fails the test unless the program ended well; gives what it said.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Standard output and standard error.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs `command` to its end.
pub fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    Outcome {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `sluice` with these arguments to its end.
pub fn sluice<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Outcome {
    run(Command::new(binary("sluice")).args(arguments))
}
