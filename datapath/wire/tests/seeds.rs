//! Replays the committed seeds of the fuzz targets, so that what fuzzing found once stays found.
//!
//! The checks are those of the fuzz targets, included by path: that project needs the nightly
//! toolchain and is no part of this workspace.

#[cfg(test)]
#[path = "../../../tests/fuzz/src/wire.rs"]
mod checks;

#[cfg(test)]
mod replay {
    use super::checks;
    use std::path::Path;

    #[expect(clippy::disallowed_methods, reason = "a test reads its seeds; the data path does not")]
    fn replay(target: &str, check: fn(&[u8])) {
        let seeds =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds").join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(&seeds).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            let result = std::panic::catch_unwind(|| check(&data));
            assert!(result.is_ok(), "{}", path.display());
            count += 1;
        }
        assert!(count > 0, "no seeds for {target}");
    }

    #[test]
    fn http1_head() {
        replay("http1_head", checks::http1_head);
    }

    #[test]
    fn http1_chunked() {
        replay("http1_chunked", checks::http1_chunked);
    }

    #[test]
    fn json_spans() {
        replay("json_spans", checks::json_spans);
    }

    #[test]
    fn sse() {
        replay("sse", checks::sse);
    }

    #[test]
    fn openai_request() {
        replay("openai_request", checks::openai_request);
    }
}
