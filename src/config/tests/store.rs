//! `[state] store`, where it is a Redis.

use super::*;

fn stored(below: &str) -> Result<LoginStore, String> {
    let text = format!("{MINIMAL}[state]\nkey = {{ env = \"KEY\" }}\n{below}");
    read(&text).map(|config| config.login_store).map_err(|problems| problems.to_string())
}

#[test]
fn a_url_is_read_and_its_time_outs_have_defaults() {
    let store = stored("store = \"rediss://app@redis.example.com/2\"\n").unwrap();
    assert!(
        matches!(&store.kind, StoreKind::Redis(url) if url.to_string() == "rediss://redis.example.com:6379")
    );
    let times = (store.redis.timeout, store.redis.lease, store.redis.poll, store.redis.wait);
    let seconds = Duration::from_secs;
    assert_eq!(times, (seconds(2), seconds(10), seconds(1), seconds(10)));
    assert_eq!((store.redis.password, store.redis.ca), (None, None));
}

#[test]
fn each_limit_holds_at_its_ends_and_not_beyond() {
    for (key, least, most, below, above) in [
        ("redis_timeout", "50ms", "60s", "49ms", "61s"),
        ("redis_lease", "500ms", "10m", "499ms", "601s"),
        ("redis_poll", "10ms", "1h", "9ms", "61m"),
        ("redis_wait", "0ms", "1h", "0", "61m"),
    ] {
        for good in [least, most] {
            stored(&format!("{key} = \"{good}\"\n")).unwrap();
        }
        for bad in [below, above] {
            stored(&format!("{key} = \"{bad}\"\n")).unwrap_err();
        }
    }
}

#[test]
fn a_url_with_a_password_is_refused_and_not_repeated_unless_it_is_a_secret() {
    let problem = stored("store = \"redis://app:CNRY@h\"\n").unwrap_err();
    assert!(problem.contains("'store' holds a password") && problem.contains("redis_password"), "{problem}");
    assert!(!problem.contains("CNRY"), "{problem}");
    let problem = stored("store = \"mysql://app:CNRY@h\"\n").unwrap_err();
    assert!(problem.contains("not of a Redis") && !problem.contains("CNRY"), "{problem}");

    let store = stored("store = { env = \"REDIS_URL\" }\n").unwrap();
    let fetched = |url: &str| {
        let environment: Environment = [("REDIS_URL", url), ("PATH", "/usr/bin:/bin")].into_iter().collect();
        let from =
            Surroundings { environment: &environment, person: None, command_timeout: Duration::from_secs(1) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(store.fetch_redis(&from)).map_err(|error| format!("{error} {:?}", error.hint()))
    };
    let (url, password) = fetched("redis://app:CNRY@h").unwrap().unwrap();
    assert_eq!((url.to_string().as_str(), password.is_some()), ("redis://h:6379", true));
    let error = fetched("redis://app:CNRY@h/x").unwrap_err();
    assert!(
        error.contains("state.store: the secret is no URL of a Redis") && !error.contains("CNRY"),
        "{error}"
    );
}

#[test]
fn a_redis_without_a_shared_key_is_refused() {
    let text = format!("{MINIMAL}[state]\nstore = \"redis://h\"\n");
    let problem = read(&text).unwrap_err().to_string();
    assert!(problem.contains("'key' names no passphrase"), "{problem}");
    assert!(problem.contains("the same passphrase for all replicas"), "{problem}");
}
