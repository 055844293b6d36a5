//! `[identities]` and `[[identity]]`.

use super::*;
use crate::identity::IdentityName;

const TWO: &str = "[portal]\naccess_code = { env = \"CODE\" }\n\
    [login]\nemail = \"shared@example.com\"\npassword = { env = \"SHARED\" }\nmfa = \"email\"\n\
    [[identity]]\nname = \"alice\"\nemail = \"alice@example.com\"\npassword = { env = \"ALICE\" }\nmfa = \"otp\"\n\
    [[identity]]\nname = \"bob\"\nclient_hash = \"cafe\"\naccess_code = { env = \"BOB_CODE\" }\n";

fn named(name: &str) -> IdentityName {
    IdentityName::new(name).unwrap()
}

#[track_caller]
fn refused(below: &str) -> String {
    read(&format!("{MINIMAL}{below}")).expect_err(below).to_string()
}

#[test]
fn without_any_there_is_the_one_of_login() {
    let config = good("");
    assert_eq!((config.identity, config.identities.len()), (IdentityName::sole(), 0));
}

#[test]
fn each_has_what_is_its_own_and_else_what_stands_outside() {
    let config = good(TWO);
    let [alice, bob] = config.identities.as_slice() else { panic!() };
    let (alice, bob) = (config.of(alice), config.of(bob));
    assert_eq!((alice.identity, bob.identity), (named("alice"), named("bob")));
    assert_eq!(alice.login.email.unwrap().as_str(), "alice@example.com");
    assert_eq!(alice.login.password, Some(SecretSource::Env("ALICE".into())));
    assert_eq!(alice.login.mfa, MfaChoice::Otp);
    assert_eq!(alice.portal.client_hash, ClientHashSource::Own(named("alice")));
    assert_eq!(alice.portal.access_code, Some(SecretSource::Env("CODE".into())));
    assert_eq!(bob.login.email.unwrap().as_str(), "shared@example.com");
    assert_eq!(bob.login.password, Some(SecretSource::Env("SHARED".into())));
    assert_eq!(bob.login.mfa, MfaChoice::Email);
    assert!(matches!(bob.portal.client_hash, ClientHashSource::Literal(_)));
    assert_eq!(bob.portal.access_code, Some(SecretSource::Env("BOB_CODE".into())));
}

#[test]
fn a_password_of_another_account_is_never_taken_for_its_own() {
    let config = good(
        "[login]\nemail = \"shared@example.com\"\npassword = { env = \"SHARED\" }\notp_secret = { env = \"SEED\" }\n\
         [[identity]]\nname = \"alice\"\nemail = \"alice@example.com\"\n",
    );
    let login = config.of(&config.identities[0]).login;
    assert_eq!((login.password, login.otp_secret), (None, None));
}

#[test]
fn its_name_stands_for_it_as_a_host_unless_hosts_say_otherwise() {
    let config = good(
        "[[identity]]\nname = \"a\"\n[[identity]]\nname = \"b\"\nhosts = [\"B.test:1\", \"b.test:2\"]\n\
         [[identity]]\nname = \"c\"\nhosts = []\n",
    );
    let hosts = config.identities.iter().map(|identity| {
        identity.hosts().iter().map(|host| host.authority().to_string()).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(hosts.collect::<Vec<_>>(), ["a.localhost", "b.test:1 b.test:2", ""]);
}

#[test]
fn what_two_identities_cannot_share_is_reported_at_once_with_its_lines() {
    let text = refused(
        "[listen]\nunix_socket = \"/s\"\naddresses = [\"127.0.0.1:1\"]\n\
         [guard]\nlocal_key_header = \"X-A\"\n\
         [identities]\nheader = \"x-a\"\ndefault = \"zoe\"\n\
         [[identity]]\nname = \"a\"\nemail = \"a@b\"\nhosts = [\"h.test:1\"]\nlisten = [\"127.0.0.1:2\"]\npath_prefix = \"/p\"\n\
         [[identity]]\nname = \"a\"\nemail = \"A@b\"\nhosts = [\"h.test\", \"h.test:3\"]\nunix_socket = \"/s\"\n\
         listen = [\"127.0.0.1:1\", \"127.0.0.1:2\", \"10.0.0.1:3\"]\npath_prefix = \"/p/q\"\n",
    );
    let found: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("proxy.toml:")?.split_once(": ")).collect();
    assert_eq!(
        found,
        [
            ("9:10", "'header' is x-a, which means something else already"),
            ("10:11", "'default' is zoe, and no [[identity]] has this name"),
            ("18:8", "two identities are called a"),
            ("19:9", "a and a sign in to the same account"),
            ("20:9", "the host h.test stands for a already"),
            ("20:9", "the host h.test:3 stands there twice"),
            ("21:15", "/s is another socket already"),
            ("22:10", "127.0.0.1:1 is listened on already"),
            ("22:10", "127.0.0.1:2 is listened on already"),
            ("22:10", "10.0.0.1:3 is not a loopback address: whoever reaches it acts as a"),
            ("23:15", "the path /p of a and this one lie within each other"),
        ],
        "{text}"
    );
}

#[test]
fn an_address_of_an_identity_that_others_reach_needs_what_one_of_listen_needs() {
    let with = |guard: &str, unsafe_listen: bool| {
        let text = format!(
            "{MINIMAL}{guard}[[identity]]\nname = \"alice\"\nemail = \"a@b\"\nlisten = [\"0.0.0.0:8788\"]\n"
        );
        let environment: Environment = [HOME].into_iter().collect();
        let inputs = Inputs { file: None, environment: &environment, flags: &[], unsafe_listen };
        Config::from_text(&text, &inputs).map(drop).map_err(|problems| problems.to_string())
    };
    let key = "[guard]\nlocal_key = { env = \"KEY\" }\n";
    let certificates = "[listen]\ntls_cert_file = \"/c\"\ntls_key_file = \"/k\"\nclient_ca_file = \"/a\"\n";
    for guard in ["", key, certificates] {
        let text = with(guard, false).unwrap_err();
        assert!(
            text.contains("0.0.0.0:8788 is not a loopback address: whoever reaches it acts as alice"),
            "{text}"
        );
        assert!(text.contains("--unsafe-listen"), "{text}");
    }
    let text = with("", true).unwrap_err();
    assert!(
        text.contains("0.0.0.0:8788 is not a loopback address, and guard.local_key is not set"),
        "{text}"
    );
    for guard in [key, certificates] {
        with(guard, true).unwrap();
    }
}

#[test]
fn sources_of_codes_have_their_form_wherever_they_stand() {
    for above in ["[login]", "[[identity]]\nname = \"a\""] {
        for source in ["{ prompt = true }", "{ env = \"X\" }", "{ file = \"/x\" }"] {
            let text = refused(&format!("{above}\nemail = \"a@b\"\ncode_command = {source}\n"));
            assert!(text.contains("'code_command' must be { command = "), "{above}: {text}");
        }
        let text = refused(&format!("{above}\nemail = \"a@b\"\nbackup_codes = {{ prompt = true }}\n"));
        assert!(text.contains("'backup_codes' is { prompt = true }, and nobody is asked"), "{above}: {text}");
        let fine = "code_command = { command = [\"x\"] }\nbackup_codes = { file = \"/x\" }";
        good(&format!("{above}\nemail = \"a@b\"\n{fine}\n"));
    }
}

#[test]
fn what_is_no_name_no_prefix_and_no_allowance_is_refused() {
    for name in ["", "A", "a_b", "a.b", "-a", "a-", &"a".repeat(64)] {
        let text = refused(&format!("[[identity]]\nname = \"{name}\"\n"));
        assert!(text.contains("'name' must be 1 to 63") || name.is_empty(), "{text}");
    }
    good(&format!("[[identity]]\nname = \"{}\"\n", "a".repeat(63)));
    for prefix in ["a", "/", "/a/", "/a/../b", "/a*", "/{a}", "/%61", "/a b"] {
        let text = refused(&format!("[[identity]]\nname = \"a\"\npath_prefix = \"{prefix}\"\n"));
        assert!(text.contains("'path_prefix': "), "{text}");
    }
    for allowed in ["get /a", "GET a", "TRACE /a", "GET /a*b", "GET"] {
        refused(&format!("[[identity]]\nname = \"a\"\nallow = [\"{allowed}\"]\n"));
    }
    let config = good("[[identity]]\nname = \"a\"\nallow = [\"GET /a/*\", \"/b\"]\n");
    let allowed: Vec<_> =
        config.identities[0].allow.iter().map(|a| (a.method.clone(), a.path.as_str())).collect();
    assert_eq!(allowed, [(Some(http::Method::GET), "/a/*"), (None, "/b")]);
    assert!(refused("[[identity]]\nname = \"a\"\npassword = { env = \"X\" }\n").contains("'email' is not"));
    assert!(refused("[[identity]]\nemail = \"a@b\"\n").contains("missing key 'name' in [[identity]]"));
}

#[test]
fn there_are_at_most_sixty_four() {
    let many =
        |count: usize| (0..count).map(|n| format!("[[identity]]\nname = \"i{n}\"\n")).collect::<String>();
    assert_eq!(good(&many(64)).identities.len(), 64);
    assert!(refused(&many(65)).contains("there are more than 64 identities"));
}

#[test]
fn no_variable_speaks_about_one() {
    let set = [("PORTUNUS_IDENTITY_NAME", "alice"), ("PORTUNUS_IDENTITIES_DEFAULT", "a")];
    let text = format!("{MINIMAL}[[identity]]\nname = \"a\"\n");
    let problems = read_with(&text, &set, &[]).unwrap_err().to_string();
    assert!(problems.contains("PORTUNUS_IDENTITY_NAME: unknown setting"), "{problems}");
    assert_eq!(read_with(&text, &set[1..], &[]).unwrap().choosing.default, Some(named("a")));
}
