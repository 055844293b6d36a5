//! Sealing and opening: the channel with its envelope, and bare AES-256-GCM of three libraries beside it.

use std::hint::black_box;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portunus::channel::{Aad, Base64, Channel, EnvelopeForm, KeyExchange, OaepHash, Spelling};

const KEY: [u8; 32] = [3; 32];
/// 512 B, 4 KiB, 64 KiB, 1 MiB.
const SIZES: [usize; 4] = [512, 4 << 10, 64 << 10, 1 << 20];

fn spelling(envelope: EnvelopeForm) -> Spelling {
    Spelling {
        envelope,
        oaep_hash: OaepHash::Sha256,
        mgf1_hash: OaepHash::Sha256,
        aad: Aad::None,
        base64: Base64::Standard,
        key_exchange: KeyExchange::Session,
    }
}

fn channel(c: &mut Criterion) {
    for (name, envelope) in [("json", EnvelopeForm::Json), ("binary", EnvelopeForm::Binary)] {
        let channel = Channel::fixed(&KEY, "bench", spelling(envelope)).expect("a fixed key is a key");
        let mut group = c.benchmark_group(format!("channel-{name}"));
        for size in SIZES {
            let plain = vec![b'x'; size];
            let sealed = channel.seal(&plain, &mut rand::rng()).expect("the keys are new");
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new("seal", size), |b| {
                // The channel's keys wear off; a new one is made before they do.
                let mut channel = channel_of(envelope);
                b.iter(|| {
                    if channel.is_worn() {
                        channel = channel_of(envelope);
                    }
                    channel.seal(black_box(&plain), &mut rand::rng())
                });
            });
            group.bench_function(BenchmarkId::new("open", size), |b| {
                b.iter(|| channel.open(black_box(&sealed)))
            });
        }
        group.finish();
    }
}

fn channel_of(envelope: EnvelopeForm) -> Channel {
    Channel::fixed(&KEY, "bench", spelling(envelope)).expect("a fixed key is a key")
}

fn libraries(c: &mut Criterion) {
    let rust_crypto = Aes256Gcm::new(&KEY.into());
    let ring_key = ring::aead::UnboundKey::new(&ring::aead::AES_256_GCM, &KEY).expect("32 bytes");
    let ring_key = ring::aead::LessSafeKey::new(ring_key);
    let aws_key = aws_lc_rs::aead::UnboundKey::new(&aws_lc_rs::aead::AES_256_GCM, &KEY).expect("32 bytes");
    let aws_key = aws_lc_rs::aead::LessSafeKey::new(aws_key);
    let mut group = c.benchmark_group("aes-256-gcm");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let mut buffer = vec![b'x'; size];
        group.bench_function(BenchmarkId::new("RustCrypto", size), |b| {
            b.iter(|| {
                rust_crypto.encrypt_inout_detached(&Nonce::from([0; 12]), b"", buffer.as_mut_slice().into())
            });
        });
        group.bench_function(BenchmarkId::new("ring", size), |b| {
            b.iter(|| {
                let nonce = ring::aead::Nonce::assume_unique_for_key([0; 12]);
                ring_key.seal_in_place_separate_tag(nonce, ring::aead::Aad::empty(), &mut buffer)
            });
        });
        group.bench_function(BenchmarkId::new("aws-lc-rs", size), |b| {
            b.iter(|| {
                let nonce = aws_lc_rs::aead::Nonce::assume_unique_for_key([0; 12]);
                aws_key.seal_in_place_separate_tag(nonce, aws_lc_rs::aead::Aad::empty(), &mut buffer)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, channel, libraries);
criterion_main!(benches);
