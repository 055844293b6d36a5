//! Reading the lease, which every request does: from one to four threads at once.

use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portunus::app::Standing;
use portunus::clock::SystemClock;
use portunus::session::{SessionHandle, Settings};

fn reading(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let session = runtime.block_on(async {
        let settings = Settings { credentials: Some(Standing::credentials()), ..Settings::default() };
        let session = SessionHandle::spawn(Standing::example(), settings, SystemClock::shared());
        session.lease().await.expect("a standing sign-in");
        session
    });
    let mut group = c.benchmark_group("lease");
    for threads in 1..=4_u32 {
        group.bench_function(BenchmarkId::new("current", threads), |b| {
            b.iter_custom(|times| longest(&session, threads, times));
        });
    }
    group.finish();
    drop(runtime);
}

/// How long the slowest of `threads` takes to read `times` times.
fn longest(session: &SessionHandle, threads: u32, times: u64) -> Duration {
    thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let begin = Instant::now();
                    for _ in 0..times {
                        assert!(session.current().is_some());
                    }
                    begin.elapsed()
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().expect("a reader")).max().unwrap_or_default()
    })
}

criterion_group!(benches, reading);
criterion_main!(benches);
