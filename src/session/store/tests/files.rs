//! On a real file system.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;
use crate::session::{Latch, Latched};

#[tokio::test]
async fn a_pair_comes_back_in_the_next_process_with_its_absolute_expiry() {
    let world = World::new();
    assert_eq!(world.store.load().await.unwrap(), None);
    world.commit(1).await;
    assert_eq!(world.another().load().await.unwrap(), Some(pair(1)));
    let _lock = world.store.lock().await.unwrap();
    world.store.commit(None).await.unwrap();
    assert_eq!(world.another().load().await.unwrap(), None);
}

#[tokio::test]
async fn an_open_intent_comes_back_and_a_closed_one_does_not() {
    let world = World::new();
    world.commit(1).await;
    let unanswered = async || world.another().load().await.unwrap().unwrap().unanswered;
    let _lock = world.store.lock().await.unwrap();
    for expected in 1..=2 {
        world.store.begin_refresh(Generation::numbered(1)).await.unwrap();
        assert_eq!(unanswered().await, expected);
    }
    world.store.begin_refresh(Generation::numbered(9)).await.unwrap();
    world.store.keep(Generation::numbered(9)).await.unwrap();
    assert_eq!(unanswered().await, 2, "another generation's intents are not this one's");
    world.store.keep(Generation::numbered(1)).await.unwrap();
    assert_eq!(unanswered().await, 1);
    world.store.commit(Some(pair(2))).await.unwrap();
    assert_eq!(unanswered().await, 0);
}

#[tokio::test]
async fn attempts_come_back_as_they_were() {
    let world = World::new();
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_456);
    let tag = |n| crate::session::CredentialsTag { salt: [n; 8], tag: [n, 2] };
    let attempts = Attempts {
        latch: Some(Latch { why: Latched::Blocked(crate::session::Blocked::Suspended), credentials: tag(1) }),
        tried: Some(tag(3)),
        proven: Some(tag(4)),
        automatic: vec![at],
        person: vec![at, at + Duration::from_secs(1)],
        used_steps: vec![crate::session::Step(56_666_666)],
        used_codes: vec![tag(5)],
        used_mailed: vec![tag(6)],
    };
    world.commit(1).await;
    let _lock = world.store.lock().await.unwrap();
    world.store.record(attempts.clone()).await.unwrap();
    assert_eq!(world.another().attempts().await.unwrap(), attempts);
    world.store.commit(None).await.unwrap();
    assert_eq!(world.another().attempts().await.unwrap(), attempts, "they outlive a sign-out");
}

#[tokio::test]
async fn nobody_else_can_read_it_and_nothing_in_it_is_a_token() {
    let world = World::new();
    for n in 1..=3 {
        world.commit(n).await;
    }
    let state = world.dir.path().join("state");
    let mut names = Vec::new();
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600, "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("CNRY") && !text.contains("example.com"), "{text}");
        names.push(path.extension().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["json", "lock", "prev"], "no draft is left behind");
}

#[tokio::test]
async fn the_generation_before_is_kept_and_an_intent_does_not_push_it_out() {
    let world = World::new();
    for n in 1..=2 {
        world.commit(n).await;
    }
    let _lock = world.store.lock().await.unwrap();
    world.store.begin_refresh(Generation::numbered(2)).await.unwrap();
    fs::rename(format!("{}.prev", world.store.path()), world.store.path()).unwrap();
    assert_eq!(world.another().load().await.unwrap().unwrap().access, pair(1).access);
}

#[tokio::test]
async fn drafts_of_processes_that_died_are_swept() {
    let world = World::new();
    let name = std::path::Path::new(world.store.path());
    let draft = name.with_file_name(format!(".{}.00ff", name.file_name().unwrap().to_str().unwrap()));
    fs::write(&draft, "half").unwrap();
    let other = name.with_file_name(".session-other.json.00ff");
    fs::write(&other, "another's").unwrap();
    world.commit(1).await;
    assert!(!draft.exists() && other.exists());
}

/// Every way in which the file can be wrong: an error that names the file and the way out, and no write.
#[tokio::test]
async fn what_cannot_be_read_is_an_error_with_a_way_out_and_is_never_overwritten() {
    let world = World::new();
    world.commit(1).await;
    let path = world.store.path().to_owned();
    let good = fs::read_to_string(&path).unwrap();
    let mut flipped = good.clone().into_bytes();
    let at = good.find("\"sealed\"").unwrap() + 20;
    flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
    for (wrong, says) in [
        (String::new(), "is damaged"),
        (good[..good.len() / 2].to_owned(), "is damaged"),
        (String::from_utf8(flipped).unwrap(), "is damaged"),
        (good.replace("\"version\": 1", "\"version\": 0"), "has a version that nobody reads (it is 0)"),
        (good.replace("\"version\": 1,", ""), "has a version that nobody reads (it is none)"),
        (good.replace("\"version\": 1", "\"version\": 2"), "was written by a newer portunus"),
        (good.replace("\"default\"", "\"alice\""), "is the login of another identity (alice)"),
        (good.replace("\"nonce\"", "\"once\""), "is damaged"),
        ("[]".into(), "is damaged"),
    ] {
        fs::write(&path, &wrong).unwrap();
        let store = world.another();
        let error = store.load().await.unwrap_err();
        assert!(error.what.contains(&path) && error.what.contains(says), "{error}, not {says}");
        assert!(error.hint.contains(&path), "{error}");
        let _lock = store.lock().await.unwrap();
        assert!(store.attempts().await.is_err());
        assert!(store.commit(Some(pair(2))).await.is_err());
        assert!(store.commit(None).await.is_err());
        assert!(store.begin_refresh(Generation::numbered(1)).await.is_err());
        assert!(store.record(Attempts::default()).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), wrong, "never overwritten");
    }
}

#[tokio::test]
async fn another_key_another_portal_and_a_passphrase_are_told_apart() {
    let world = World::new();
    world.commit(1).await;
    let key = world.another_with(Owned { key: SealingKey::new(&[8; 32]), ..owned() });
    let error = key.load().await.unwrap_err();
    assert!(error.what.contains("was sealed with another key"), "{error}");

    let elsewhere = world.another_with(Owned { realm: "https://other.example.com".into(), ..owned() });
    assert_eq!(elsewhere.load().await.unwrap(), None, "its tokens are for the portal that gave them");
    fs::copy(world.store.path(), elsewhere.path()).unwrap();
    assert!(elsewhere.load().await.is_err(), "nor by moving the file");

    let by = |text: &str| Owned { key: SealingKey::from_passphrase(SealingPassphrase::new(text)), ..owned() };
    let world = World::with(by("correct horse"));
    world.commit(1).await;
    assert_eq!(world.another_with(by("correct horse")).load().await.unwrap(), Some(pair(1)));
    assert!(world.another_with(by("wrong horse")).load().await.is_err());
}

#[tokio::test]
async fn a_link_a_foreign_file_and_one_that_others_can_read_are_refused() {
    let world = World::new();
    world.commit(1).await;
    let path = world.store.path().to_owned();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = world.another().load().await.unwrap_err();
    assert_eq!(error.hint, format!("chmod 600 {path}"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&path, Some(1), None).unwrap();
        assert!(world.another().load().await.unwrap_err().what.contains("belongs to another user"));
        chown(&path, Some(0), None).unwrap();
    }
    fs::rename(&path, format!("{path}.moved")).unwrap();
    symlink(format!("{path}.moved"), &path).unwrap();
    assert!(world.another().load().await.unwrap_err().what.contains("is not a regular file"));
}

#[tokio::test]
async fn a_lock_is_one_processs_until_it_drops_it() {
    let world = World::new();
    let other = world.another();
    let lock = world.store.lock().await.unwrap();
    let error = other.lock().await.unwrap_err();
    assert!(error.what.contains("another portunus has been at"), "{error}");
    assert!(other.commit(Some(pair(1))).await.is_err(), "nothing is written without it");
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.lock().await.map(drop) }
    });
    drop(lock);
    waiting.await.unwrap().unwrap();
    other.lock().await.map(drop).unwrap();
}
