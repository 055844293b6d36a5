//! The answers to `login/complete` and `token/refresh` (PROTOCOL sections 6.3 and 7).

use std::time::Duration;

use super::Data;
use super::number::Span;
use crate::secret::{AccessToken, Expose, RefreshToken};
use crate::session::{Skew, Tokens};

/// Reads a pair of tokens. `tokenType` is ignored: a token is a bearer, whatever it is called. `assumed` is the
/// life of a token whose answer says nothing about it.
pub(crate) fn tokens(data: &Data, skew: Option<Skew>, assumed: Duration) -> Result<Tokens, &'static str> {
    let access = AccessToken::new(data.text("accessToken").ok_or("no accessToken")?);
    if access.prefixed_header_value("Bearer ").is_err() {
        return Err("the accessToken holds characters that no header may hold");
    }
    let refresh = match data.field("refreshToken") {
        None => None,
        Some(token) => Some(token.as_str().ok_or("the refreshToken is no text")?),
    };
    let expires_in = match Span::read(data.field("expiresIn")) {
        Span::Absent => assumed,
        Span::Of(life) => life,
        Span::Nonsense => return Err("expiresIn of the token is no believable number of seconds"),
    };
    let refresh = refresh.filter(|token| !token.is_empty()).map(RefreshToken::new);
    Ok(Tokens { access, refresh, expires_in, skew })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests compare the tokens that were read")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ASSUMED: Duration = Duration::from_secs(7);

    fn read(data: Value) -> Result<Tokens, &'static str> {
        let body = json!({"version": "2.0.0", "success": true, "code": "2000", "data": data}).to_string();
        tokens(&Data::read(body.as_bytes()).unwrap(), Some(Skew(3)), ASSUMED)
    }

    #[test]
    fn section_6_3_complete_answer() {
        let tokens = read(
            json!({"accessToken": "a.b", "refreshToken": "r", "expiresIn": 3600, "accountStatus": null}),
        )
        .unwrap();
        assert_eq!(tokens.access.expose(), "a.b");
        assert_eq!(tokens.refresh.unwrap().expose(), "r");
        assert_eq!(tokens.expires_in, Duration::from_secs(3600));
        assert_eq!(tokens.skew, Some(Skew(3)));
    }

    #[test]
    fn section_6_3_token_type_is_ignored() {
        for token_type in [json!("Bearer"), json!("mac"), json!(7)] {
            assert!(read(json!({"accessToken": "a", "tokenType": token_type})).is_ok());
        }
    }

    #[test]
    fn section_7_refresh_answer_with_a_new_pair() {
        let tokens = read(json!({"accessToken": "a2", "refreshToken": "r2", "expiresIn": "3600"})).unwrap();
        assert_eq!(tokens.refresh.unwrap().expose(), "r2");
        assert_eq!(tokens.expires_in, Duration::from_secs(3600));
    }

    #[test]
    fn ruling_12_a_refresh_answer_without_a_refresh_token_keeps_the_old_one() {
        for refresh in [json!(null), json!("")] {
            assert_eq!(read(json!({"accessToken": "a", "refreshToken": refresh})).unwrap().refresh, None);
        }
        assert_eq!(read(json!({"accessToken": "a"})).unwrap().refresh, None);
    }

    #[test]
    fn section_12_a_life_that_is_not_told_is_assumed() {
        assert_eq!(read(json!({"accessToken": "a"})).unwrap().expires_in, ASSUMED);
        assert_eq!(read(json!({"accessToken": "a", "expiresIn": null})).unwrap().expires_in, ASSUMED);
    }

    #[test]
    fn a_life_that_cannot_be_is_not_understood() {
        let strange = json!([0, -3600, 1e300, 315_360_001, "NaN", "inf", "", "1h", true, [], {}]);
        for life in strange.as_array().unwrap() {
            assert!(read(json!({"accessToken": "a", "expiresIn": life})).is_err(), "{life}");
        }
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_not_understood() {
        for token in
            [json!("a\r\nX: y"), json!("a\0"), json!(""), json!(" "), json!(7), json!(null), json!({})]
        {
            assert!(read(json!({"accessToken": token})).is_err(), "{token}");
        }
        assert!(read(json!({"accessToken": "a", "refreshToken": 7})).is_err());
    }
}
