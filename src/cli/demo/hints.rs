//! What to try while the demo is up: lines that work when they are pasted.

use super::stand::Stand;
use crate::cli::terminal::Paint;

/// An account of the simulator's that needs no second factor.
const OTHER: &str = "plain@example.com";

/// The text.
pub(super) fn what_to_try(stand: &Stand, paint: Paint) -> String {
    let (email, password) = stand.account();
    let settings = stand.sim.settings();
    let (url, portal) = (stand.url(), stand.sim.url());
    let control = format!("http://{}", stand.control);
    let at = |name: &str| format!("{url}{}", stand.path(name));
    let config = stand.files.path().join("demo.toml");
    // Whoever tries the demo may not have installed the program.
    let program = std::env::current_exe().unwrap_or_else(|_| env!("CARGO_PKG_NAME").into());
    let program = program.display();
    let channel = match (settings.dialect.channel, stand.seals()) {
        (true, true) => format!("secure channel, envelope {}", settings.dialect.envelope),
        (true, false) => "secure channel, raw bodies".to_owned(),
        (false, _) => "no secure channel".to_owned(),
    };
    let mut text = vec![
        paint.strong(
            "A simulated portal, and the proxy in front of it. What you send to the proxy is plain HTTP.",
        ),
        String::new(),
        format!("  proxy    {}   signed in as {email}", paint.strong(&url)),
        format!("  portal   {portal}   {channel}"),
        format!("  control  {control}   makes the portal misbehave"),
    ];
    let mut say = |what: &str, lines: &[String]| {
        text.push(String::new());
        text.push(paint.faint(format!("# {what}")));
        text.extend_from_slice(lines);
    };
    say("the profile: no token, no header, no login of yours", &[format!("curl -s {}", at("profile"))]);
    let change = format!("{url}{}", stand.change_path());
    // Where the body is sealed, the content type that curl gives it by itself will do.
    let json = if stand.seals() { "" } else { "-H 'Content-Type: application/json' " };
    say(
        "a password change: a plain body in, a plain answer out (the second line changes it back)",
        &[
            format!(
                "curl -s {json}-d '{{\"currentPassword\":\"{password}\",\"newPassword\":\"a better battery\"}}' {change}"
            ),
            format!(
                "curl -s {json}-d '{{\"currentPassword\":\"a better battery\",\"newPassword\":\"{password}\"}}' {change}"
            ),
        ],
    );
    say(
        "the same call as the portal saw it: the last lines of its wire log",
        &[format!(
            "curl -s {control}/log | python3 -c 'import json,sys; [print(e[\"method\"], e[\"path\"], \
             e[\"body\"][:100], \"->\", e[\"answer\"][:100]) for e in json.load(sys.stdin)[-3:]]'"
        )],
    );
    say(
        "which headers arrive: yours that pretend to be somebody are dropped, the real ones are put in",
        &[format!("curl -s -H 'Authorization: Bearer forged' -H 'X-Client-Hash: forged' {}", at("echo"))],
    );
    say(
        "server-sent events, each as it comes; and a gigabyte in constant memory",
        &[
            format!("curl -sN '{}?count=5&interval_ms=500'", at("events")),
            format!(
                "curl -s '{}?bytes=1073741824' -o /dev/null -w '%{{size_download}} bytes\\n'",
                at("download")
            ),
        ],
    );
    say(
        "break something, then send any of the above again: the proxy heals it by itself",
        &[
            format!("curl -s -X POST {control}/drop-channels"),
            format!("curl -s -X POST {control}/rotate-key"),
            format!("curl -s -X POST {control}/expire-tokens"),
        ],
    );
    say(
        "what the proxy refuses by itself, as problem+json (RFC 9457): a page that rebinds its name to localhost",
        &[format!("curl -s -H 'Host: evil.example' {}", at("profile"))],
    );
    say(
        "where the proxy stands, signing out and in, and a check of everything; in another terminal",
        &[
            format!("{program} status -c {}", config.display()),
            format!("{program} logout -c {0} && {program} login -c {0}", config.display()),
            format!("{program} check -c {}", config.display()),
        ],
    );
    let dir = stand.files.path().display();
    let known = format!("PORTUNUS_PORTAL_ACCESS_CODE=\"$(cat {dir}/access-code)\"");
    say(
        "what detect finds out about a portal that it knows nothing of, and a check of that; another account, which \
         has no code to be waited for",
        &[
            format!(
                "{known} {program} detect --upstream {portal} --portal {name} --email {OTHER} --password-stdin \
                 --yes < {dir}/password > {dir}/found.toml",
                name = settings.portal
            ),
            format!(
                "{known} PORTUNUS_LOGIN_EMAIL={OTHER} PORTUNUS_LOGIN_PASSWORD=\"$(cat {dir}/password)\" {program} \
                 check --login -c {dir}/found.toml --upstream {portal} --listen 127.0.0.1:0"
            ),
        ],
    );
    text.push(String::new());
    text.push(paint.strong("Ctrl-C ends it, and leaves nothing behind."));
    text.join("\n")
}
