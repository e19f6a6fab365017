//! Which I/O driver a worker runs on: io_uring with deferred task work, with cooperative task work,
//! or epoll. Each is tried in turn; what was taken is told.

use crossbeam::channel::Sender;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

/// Entries of a worker's submission queue.
const ENTRIES: u32 = 4096;

/// The ring has one submitter, and completions are run when we ask for them, not by interrupts.
fn deferred() -> io_uring::Builder {
    let mut builder = io_uring::IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun();
    builder
}

/// For kernels before 6.1.
fn cooperative() -> io_uring::Builder {
    let mut builder = io_uring::IoUring::builder();
    builder.setup_coop_taskrun().setup_taskrun_flag();
    builder
}

/// Runs `worker` to its end on the first driver that the kernel has.
pub fn run(
    drivers: &Sender<Result<&'static str, String>>,
    worker: impl Future<Output = std::io::Result<()>>,
) -> std::io::Result<()> {
    // Where nobody listens any more, the process is ending.
    let tell = |driver: Result<&'static str, String>| drivers.send(driver).ok();
    if monoio::utils::detect_uring() {
        let kinds = [
            ("io_uring (defer_taskrun)", deferred as fn() -> io_uring::Builder),
            ("io_uring (coop_taskrun)", cooperative),
        ];
        for (name, builder) in kinds {
            let runtime = RuntimeBuilder::<IoUringDriver>::new()
                .with_entries(ENTRIES)
                .uring_builder(builder())
                .enable_timer()
                .build();
            match runtime {
                Ok(mut runtime) => {
                    tell(Ok(name));
                    return runtime.block_on(worker);
                }
                Err(error) => tracing::warn!(%error, driver = name, "driver not available"),
            }
        }
    }
    let runtime =
        RuntimeBuilder::<LegacyDriver>::new().with_entries(ENTRIES).enable_timer().build();
    match runtime {
        Ok(mut runtime) => {
            tell(Ok("epoll"));
            runtime.block_on(worker)
        }
        Err(error) => {
            tell(Err(error.to_string()));
            Err(error)
        }
    }
}
