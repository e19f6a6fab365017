use super::*;
use crate::testing::{Place, Worker};
use std::os::unix::net::UnixStream;

#[test]
fn without_io_uring_the_writer_runs_on_plain_calls() {
    let place = Place::new();
    let mut worker = Worker::new(0, 16);
    worker.decide().unwrap();
    let wake = OwnedFd::from(nix::sys::eventfd::EventFd::new().unwrap());
    let (handle, commands) = channel(&wake).unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let wiring = Wiring {
        rings: vec![worker.ring()],
        consumer_wake: wake,
        producer_wakes: vec![ours.into()],
    };
    let stats = Arc::new(WriterStats::default());
    let observer = Box::new(move |record: &[u8]| {
        // The decision is on disk: that is all there is to do.
        if record.get(4) == Some(&1) {
            handle.send(Command::Stop).unwrap();
        }
    });
    let options = place.options();
    let ready = Ready::open(&options, wiring, commands, observer, Arc::clone(&stats)).unwrap();
    run_to_end(ready.write(PlainStorage)).unwrap();
    assert!(!stats.uring.load(Relaxed));
    let report = place.assert_holds();
    assert_eq!((report.kinds.decisions, report.kinds.notices, report.unprotected), (1, 2, 0));
}

#[test]
fn rings_and_wake_descriptors_go_together() {
    let place = Place::new();
    let wake = OwnedFd::from(nix::sys::eventfd::EventFd::new().unwrap());
    let (_handle, commands) = channel(&wake).unwrap();
    let rings = vec![Worker::new(0, 16).ring()];
    let wiring = Wiring { rings, consumer_wake: wake, producer_wakes: Vec::new() };
    let started = start(
        &place.options(),
        wiring,
        commands,
        Box::new(|_| {}),
        Arc::new(WriterStats::default()),
    );
    assert!(matches!(started, Err(AuditError::Wiring { rings: 1, wakes: 0 })));
}

#[test]
fn a_full_queue_is_told_and_does_not_hold_up_the_stop() {
    let wake = OwnedFd::from(nix::sys::eventfd::EventFd::new().unwrap());
    let (handle, commands) = channel(&wake).unwrap();
    let notice = || Command::Notice(plain_notice(NoticeCode::SnapshotActive, 0));
    let sent = (0..2000).take_while(|_| handle.send(notice()).is_ok()).count();
    assert!(sent < 2000);
    assert_eq!(handle.send(notice()), Err(NotSent::Full));
    assert!(handle.send(Command::Stop).is_ok() && commands.is_stopping());
    drop(commands);
    assert_eq!(handle.send(notice()), Err(NotSent::Gone));
}

#[test]
fn the_disk_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    measure_sync(folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
