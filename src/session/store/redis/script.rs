//! What is done at Redis in one step each. All of it may be sent twice: what was done already is not done again.
//!
//! `KEYS[1]` is a hash: `document` (sealed), `revision` (counts its writings), `written` (names the last one) and
//! `fence` (the highest that a lock was given). `KEYS[2]` is the lock: its owner, for as long as its lease lasts.

use redis::Script;

/// The keys and the channel of one login. One hash slot, so that a script may touch both keys in a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) login: String,
    pub(super) lock: String,
    /// Of nobody: to see whether something can be written.
    pub(super) trial: String,
    pub(super) channel: String,
}

impl Keys {
    pub(super) fn of(identity: &str, realm: &str) -> Self {
        let base = format!("portunus:{{{identity}-{realm}}}");
        let [login, lock, trial, channel] =
            ["login", "lock", "trial", "news"].map(|what| format!("{base}:{what}"));
        Self { login, lock, trial, channel }
    }
}

#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) take: Script,
    pub(super) renew: Script,
    pub(super) free: Script,
    pub(super) read: Script,
    pub(super) write: Script,
    pub(super) trial: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            take: Script::new(TAKE),
            renew: Script::new(RENEW),
            free: Script::new(FREE),
            read: Script::new(READ),
            write: Script::new(WRITE),
            trial: Script::new(TRIAL),
        }
    }
}

/// `owner, lease in ms` → `1, fence` or `0, what is left of the other's lease`. Fences follow the server's clock, so
/// that one from before a flush or a failover is lower than any after it.
const TAKE: &str = r"
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then
    return {0, redis.call('PTTL', KEYS[2])}
end
local now = redis.call('TIME')
local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
local fence = math.max(last + 1, now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', fence))
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {1, fence}
";

/// `owner, fence, lease in ms` → whether the lock is the owner's. One that ran out, or that a failover lost, is taken
/// again as long as nobody else has had it since.
const RENEW: &str = r"
local holder = redis.call('GET', KEYS[2])
local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if (holder and holder ~= ARGV[1]) or last > tonumber(ARGV[2]) then
    return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1
";

/// `owner, channel`
const FREE: &str = r"
if redis.call('GET', KEYS[2]) == ARGV[1] then
    redis.call('DEL', KEYS[2])
    redis.call('PUBLISH', ARGV[2], 'free')
end
return 1
";

/// → `revision, written, document`
const READ: &str = r"
local found = redis.call('HMGET', KEYS[1], 'revision', 'written', 'document')
return {tonumber(found[1] or '0'), found[2] or '', found[3] or ''}
";

/// `channel` → whether what was written was there. With the trial for `KEYS[1]`: every command of the other scripts,
/// where it does no harm. `free` only makes others look at the lock.
const TRIAL: &str = r"
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'fence', now[1])
local found = redis.call('HMGET', KEYS[1], 'fence')
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], now[1], 'PX', 1000)
redis.call('PTTL', KEYS[1])
local kept = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], 'free')
return (kept == now[1] and found[1] == now[1]) and 1 or 0
";

/// `owner, fence, revision there is, revision to be, name of this writing, document, lease in ms, channel, writer` →
/// `done`, `lost` (the lock is another's, or was since) or `changed` (another revision is there).
const WRITE: &str = r"
local found = redis.call('HMGET', KEYS[1], 'revision', 'written', 'fence')
if found[2] == ARGV[5] then
    return 'done'
end
local holder = redis.call('GET', KEYS[2])
if (holder and holder ~= ARGV[1]) or tonumber(found[3] or '0') > tonumber(ARGV[2]) then
    return 'lost'
end
if (found[1] or '0') ~= ARGV[3] then
    return 'changed'
end
redis.call('HSET', KEYS[1], 'revision', ARGV[4], 'written', ARGV[5], 'document', ARGV[6], 'fence', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[7])
redis.call('PUBLISH', ARGV[8], ARGV[9])
return 'done'
";
